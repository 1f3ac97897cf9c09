import { GantryError } from "#base/errors.ts";
import { shortId, type Digest } from "#formats/digest.ts";
import type { Descriptor, ImageConfig } from "#formats/image-config.ts";
import { DOCUMENT_LIMITS } from "#formats/image-manifest.ts";
import { DOCKER_CONFIG, DOCKER_LAYER_GZIP, DOCKER_MANIFEST, layerCompression } from "#formats/image-media-types.ts";
import { formatPlatform, platformRank } from "#formats/image-platform.ts";
import {
  familiarName,
  familiarString,
  isNameOnly,
  parseReference,
  referenceString,
  repositoryName,
  withDefaultTag,
  type ImageReference,
} from "#formats/reference.ts";
import type { ContentLease } from "../content-store.ts";
import type { PushOptions } from "../image-store.ts";
import { inRepository } from "../records/lookup.ts";
import { MAX_SOURCES, type ImageRecord, type ManifestSource } from "../records/image-records.ts";
import { endpointsOf } from "../registry-client/endpoints.ts";
import { withRepository, type RemoteRepository } from "../registry-client/repository.ts";
import { retrying } from "../registry-client/retry.ts";
import { setReference } from "./add-image.ts";
import { eachOf } from "./archive-files.ts";
import { tell, type Context } from "./context.ts";
import { retryOptions } from "./download.ts";
import { layerProgress, statusLine } from "./progress.ts";
import { pushBlob, type Upload } from "./upload.ts";

/** `docker push`: one tag, or all tags of a repository. Messages are those of Docker's own push. */
export async function pushImage(context: Context, text: string, options: PushOptions): Promise<void> {
  const { report, auth, signal } = options;
  const parsed = parseReference(text);
  if (parsed.digest !== undefined) throw new GantryError("invalid", "cannot push a digest reference");
  report?.({ status: `The push refers to repository [${repositoryName(parsed)}]` });
  const all = inRepository(context.records.now, parsed);
  if (all.length === 0) {
    throw new GantryError("not-found", `An image does not exist locally with the tag: ${familiarName(parsed)}`);
  }
  const wanted = isNameOnly(parsed) && !options.allTags ? withDefaultTag(parsed) : parsed;
  const tags = all
    .map(([name, id]) => ({ reference: parseReference(name), id }))
    .filter(
      ({ reference }) => reference.tag !== undefined && (wanted.tag === undefined || wanted.tag === reference.tag),
    );
  if (tags.length === 0) {
    const message =
      wanted.tag === undefined
        ? `no tags to push for ${familiarName(parsed)}`
        : `tag does not exist: ${familiarString(wanted)}`;
    throw new GantryError("not-found", message);
  }
  const endpoints = endpointsOf(parsed.domain, context.registries, "push");
  const asked = { reference: parsed, auth, signal, actions: "pull,push", clock: context.clock } as const;
  await withRepository(endpoints, asked, async (repository) => {
    const sent = new Set<Digest>();
    for (const { reference, id } of tags) await pushTag({ context, repository, reference, options, sent }, id);
  });
  tell(context, "push", tags[0]?.id ?? "", familiarString(wanted));
}

interface Push {
  readonly context: Context;
  readonly repository: RemoteRepository;
  readonly reference: ImageReference;
  readonly options: PushOptions;
  /** Blobs that are there already, from an earlier tag. */
  readonly sent: Set<Digest>;
}

async function pushTag(push: Push, id: Digest): Promise<void> {
  const { context, repository, reference, options } = push;
  const record = context.records.now.images.get(id);
  const config = context.records.image(id)?.config;
  if (!record || !config) throw new GantryError("not-found", `tag does not exist: ${familiarString(reference)}`);
  if (options.platform && platformRank(options.platform, config) === undefined) {
    const text = `image with reference ${familiarString(reference)} was found but does not match the specified platform`;
    throw new GantryError(
      "not-found",
      `${text}: wanted ${formatPlatform(options.platform)}, actual: ${formatPlatform(config)}`,
    );
  }
  const lease = context.content.lease();
  try {
    for (const diffId of config.rootfs.diff_ids.toReversed())
      options.report?.(statusLine(shortId(diffId), "Preparing"));
    const source = await compressedSource(push, lease, record, config);
    await pushLayers(push, source, config);
    const blob = { mediaType: DOCKER_CONFIG, digest: id, size: context.content.size(id) ?? 0 };
    await pushBlob(uploadOf(push, undefined), blob);
    const bytes = await context.content.bytes(source.manifest.digest, DOCUMENT_LIMITS.bytes);
    const tag = reference.tag ?? "";
    const put = (): Promise<void> => repository.putManifest(tag, bytes, source.manifest.mediaType);
    await retrying(put, retryOptions({ context, report: options.report, signal: options.signal }, tag));
    await recordPush(push, id, source);
    options.report?.({ status: `${tag}: digest: ${source.manifest.digest} size: ${bytes.length}` });
    options.report?.({ progressDetail: {}, aux: { Tag: tag, Digest: source.manifest.digest, Size: bytes.length } });
  } finally {
    lease.release();
    await context.content.collect();
  }
}

function uploadOf(push: Push, progressId: string | undefined): Upload {
  const { context, repository, reference, options, sent } = push;
  return { context, repository, reference, report: options.report, signal: options.signal, sent, id: progressId };
}

async function pushLayers(push: Push, source: ManifestSource, config: ImageConfig): Promise<void> {
  const { context, options } = push;
  const layers = source.layers.map((layer, at) => ({ layer, id: shortId(config.rootfs.diff_ids[at] ?? layer.digest) }));
  await eachOf(layers.toReversed(), layers.length || 1, async ({ layer, id }) => {
    const leave = await context.registries.uploads.enter(() => options.report?.(statusLine(id, "Waiting")));
    try {
      await pushBlob(uploadOf(push, id), layer);
    } finally {
      leave();
    }
  });
}

/**
 * A manifest whose layers are all compressed: one that the image came with is sent as it is, so that its digest stays; else
 * layers are compressed as Docker compresses them, and a manifest is made of them.
 */
async function compressedSource(
  push: Push,
  lease: ContentLease,
  record: ImageRecord,
  config: ImageConfig,
): Promise<ManifestSource> {
  const isCompressed = (layer: Descriptor): boolean => layerCompression(layer.mediaType) !== "none";
  const own = record.sources.find(({ layers }) => layers.every(isCompressed));
  if (own) return own;
  const layers: Descriptor[] = Array.from(record.sources[0]?.layers ?? []);
  await eachOf([...layers.entries()], layers.length || 1, async ([at, layer]) => {
    if (!isCompressed(layer))
      layers[at] = await compressLayer(push, lease, layer, config.rootfs.diff_ids[at] ?? layer.digest);
  });
  const size = push.context.content.size(record.id) ?? 0;
  const document = {
    schemaVersion: 2,
    mediaType: DOCKER_MANIFEST,
    config: { mediaType: DOCKER_CONFIG, size, digest: record.id },
    layers,
  };
  const bytes = Buffer.from(JSON.stringify(document, undefined, 3));
  return { manifest: { mediaType: DOCKER_MANIFEST, digest: await lease.put(bytes), size: bytes.length }, layers };
}

async function compressLayer(
  { context, options }: Push,
  lease: ContentLease,
  layer: Descriptor,
  diffId: Digest,
): Promise<Descriptor> {
  const { content, pool } = context;
  const known = findCompressed(context, diffId);
  if (known && lease.keep(known.digest)) return known;
  const target = content.temporary();
  const progress = layerProgress(
    options.report,
    { id: shortId(diffId), status: "Compressing", total: layer.size },
    () => context.clock.now(),
  );
  const { signal } = options;
  const running = { progress: (bytes: number) => progress.at(bytes), ...(signal ? { signal } : {}) };
  const { digest, size } = await pool.run("compress", { file: content.path(layer.digest), target }, running);
  await lease.adopt(target, digest);
  return { mediaType: DOCKER_LAYER_GZIP, size, digest };
}

/** The same layer, compressed, as part of whatever image. */
function findCompressed({ records }: Context, diffId: Digest): Descriptor | undefined {
  for (const { id, sources } of records.now.images.values()) {
    const at = records.image(id)?.config.rootfs.diff_ids.indexOf(diffId) ?? -1;
    for (const { layers } of at < 0 ? [] : sources) {
      const layer = layers[at];
      if (layer && layerCompression(layer.mediaType) === "gzip")
        return { mediaType: DOCKER_LAYER_GZIP, size: layer.size, digest: layer.digest };
    }
  }
  return undefined;
}

/** The image has one more name by digest, and keeps what was sent, so that it need not be made again. */
async function recordPush({ context, reference }: Push, id: Digest, source: ManifestSource): Promise<void> {
  const name = referenceString({ domain: reference.domain, path: reference.path, digest: source.manifest.digest });
  await context.records.update((draft) => {
    const record = draft.images.get(id);
    if (!record) return;
    const known = record.sources.some(({ manifest }) => manifest.digest === source.manifest.digest);
    if (!known) draft.images.set(id, { ...record, sources: [...record.sources.slice(0, MAX_SOURCES - 1), source] });
    setReference(draft, name, id);
  });
}
