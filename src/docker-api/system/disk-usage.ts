import { GantryError } from "#base/errors.ts";
import { formatTime } from "#formats/docker-time.ts";
import type { Deps } from "../deps.ts";
import { summaryDocument } from "../containers/list-document.ts";
import { containerSizes } from "../containers/sizes.ts";
import type { Handler } from "../http/call.ts";
import { json } from "../http/reply.ts";
import { imageSummary } from "../images/documents.ts";
import { volumeDocument } from "../volumes/documents.ts";

const TYPES = ["container", "image", "volume", "build-cache"];

/** GET /system/df. */
export function diskUsageHandler(deps: Deps): Handler {
  return async ({ query, response }) => {
    const asked = query.all("type");
    const unknown = asked.find((type) => !TYPES.includes(type));
    if (unknown !== undefined) throw new GantryError("invalid", `unknown object type: ${unknown}`);
    const wants = (type: string): boolean => asked.length === 0 || asked.includes(type);
    json(response, 200, {
      ...(wants("image") && (await imageUsage(deps))),
      ...(wants("container") && { Containers: await containerUsage(deps) }),
      ...(wants("volume") && { Volumes: await volumeUsage(deps) }),
      ...(wants("build-cache") && { BuildCache: buildCache(deps) }),
    });
  };
}

async function imageUsage({ images, engine, builder }: Deps): Promise<object> {
  const usage = await images.usage();
  const containers = engine.list();
  return {
    // What images take on the disk, blobs included: what du says.
    LayersSize: usage.totalBytes,
    Images: images
      .list()
      .filter(({ id, tags }) => tags.length > 0 || !builder.isStep(id))
      .map((image) => {
        const users = containers.filter(({ config }) => config.imageId === image.id).length;
        return imageSummary(image, users, usage.images.get(image.id)?.sharedBytes ?? 0);
      }),
  };
}

function containerUsage(deps: Deps): Promise<object[]> {
  const context = {
    imageId: (reference: string) => deps.images.find(reference)?.id,
    findNetwork: deps.networks.find.bind(deps.networks),
    nowMs: deps.clock.now(),
  };
  return Promise.all(
    deps.engine
      .list()
      .map(async (container) =>
        summaryDocument(container, { ...context, sizes: await containerSizes(deps, container) }),
      ),
  );
}

/** Docker leaves out what options mount somewhere else. */
function volumeUsage({ engine: { volumes } }: Deps): Promise<object[]> {
  const local = volumes.list().filter(({ driver, options }) => driver === "local" && Object.keys(options).length === 0);
  return Promise.all(
    local.map(async (volume) => ({
      ...volumeDocument(volume),
      UsageData: { RefCount: volumes.users(volume.name).length, Size: await volumes.sizeBytes(volume.name) },
    })),
  );
}

/** Images of steps that no user named, as BuildKit's records. */
function buildCache({ builder, images, engine }: Deps): object[] {
  const used = new Set(engine.list().map(({ config }) => config.imageId));
  return builder
    .steps()
    .map((id) => images.find(id))
    .filter((image) => image !== undefined && image.tags.length === 0)
    .map((image) => ({
      ID: image?.id ?? "",
      Type: "regular",
      Description: image?.config.history?.at(-1)?.created_by ?? "",
      InUse: used.has(image?.id),
      Shared: false,
      Size: image?.layerBytes.at(-1) ?? 0,
      CreatedAt: formatTime(image?.createdAt),
      LastUsedAt: null,
      UsageCount: 1,
    }));
}
