import { GantryError } from "#base/errors.ts";
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
      ...(wants("volume") && { Volumes: volumeUsage(deps) }),
      ...(wants("build-cache") && { BuildCache: [] }),
    });
  };
}

async function imageUsage({ images, engine }: Deps): Promise<object> {
  const usage = await images.usage();
  const containers = engine.list();
  return {
    LayersSize: usage.layersBytes,
    Images: images.list().map((image) => {
      const users = containers.filter(({ config }) => config.imageId === image.id).length;
      return imageSummary(image, users, usage.images.get(image.id)?.sharedBytes ?? 0);
    }),
  };
}

function containerUsage(deps: Deps): Promise<object[]> {
  const context = { images: deps.images, findNetwork: deps.networks.find.bind(deps.networks), nowMs: deps.clock.now() };
  return Promise.all(
    deps.engine
      .list()
      .map(async (container) =>
        summaryDocument(container, { ...context, sizes: await containerSizes(deps, container) }),
      ),
  );
}

function volumeUsage({ engine: { volumes } }: Deps): object[] {
  return volumes.list().map((volume) => ({
    ...volumeDocument(volume),
    UsageData: { RefCount: volumes.users(volume.name).length, Size: -1 },
  }));
}
