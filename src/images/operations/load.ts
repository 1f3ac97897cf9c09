import type { Readable } from "node:stream";
import { open } from "node:fs/promises";
import { GantryError, isGantryError } from "#base/errors.ts";
import { shortId, type Digest } from "#formats/digest.ts";
import type { Descriptor, ImageConfig } from "#formats/image-config.ts";
import { CONFIG_LIMITS } from "#formats/image-config-reader.ts";
import {
  OCI_LAYER,
  OCI_LAYER_GZIP,
  OCI_LAYER_ZSTD,
  sniffCompression,
  type Compression,
} from "#formats/image-media-types.ts";
import { familiarString, parseReference, referenceString } from "#formats/reference.ts";
import type { ContentLease } from "../content-store.ts";
import { decompressWith, isProgramCompression, type ProgramCompression } from "../program-decompressor.ts";
import type { Report } from "../image-store.ts";
import type { ManifestSource } from "../records/image-records.ts";
import { ensureChain, makeManifest, readConfig, recordImage, type WantedLayer } from "./add-image.ts";
import { takeArchive, type ArchiveFiles } from "./archive-files.ts";
import { tell, type Context } from "./context.ts";
import { readDockerManifest, type DockerManifestItem } from "./docker-archive.ts";
import { readLayout, type LayoutImage } from "./oci-layout.ts";
import { layerProgress } from "./progress.ts";

/**
 * `docker load`: archives of `docker save` (a manifest.json) and OCI layouts (an index.json). An image that is damaged fails the
 * load, but not the other images of the archive. Returns the names that were given, and ids of images without one.
 */
export async function loadArchive(
  context: Context,
  archive: Readable,
  report: Report | undefined,
): Promise<readonly string[]> {
  const lease = context.content.lease();
  const loader: Loader = { context, lease, report, loaded: [] };
  const failures: unknown[] = [];
  const attempt = async (load: () => Promise<void>): Promise<void> => {
    try {
      await load();
    } catch (error) {
      failures.push(error);
    }
  };
  try {
    const files = await takeArchive(context, archive, lease);
    const items = await readDockerManifest(files);
    const layout = await (items ? readLayout(context, files).catch(() => undefined) : readLayout(context, files));
    if (!items && !layout) {
      throw new GantryError("invalid", "archive is no image archive: it has neither a manifest.json nor an index.json");
    }
    if (items) for (const item of items) await attempt(() => loadItem(loader, files, item, layout?.images ?? []));
    else for (const image of layout?.images ?? []) await attempt(() => loadLayoutImage(loader, image));
    failures.push(...(items ? [] : (layout?.failures ?? [])));
  } finally {
    lease.release();
    await context.content.collect();
  }
  if (failures.length > 0) throw failures.find((error) => isGantryError(error)) ?? failures[0];
  return loader.loaded;
}

interface Loader {
  readonly context: Context;
  readonly lease: ContentLease;
  readonly report: Report | undefined;
  readonly loaded: string[];
}

/** One entry of manifest.json. */
async function loadItem(
  loader: Loader,
  files: ArchiveFiles,
  item: DockerManifestItem,
  layout: readonly LayoutImage[],
): Promise<void> {
  const { id, config } = readConfig(await files.read(item.config, CONFIG_LIMITS.bytes));
  const expected = item.layers.length;
  const actual = config.rootfs.diff_ids.length;
  if (expected !== actual) {
    throw new GantryError("invalid", `invalid manifest, layers length mismatch: expected ${expected}, got ${actual}`);
  }
  const references = item.repoTags.map((text) => {
    const reference = parseReference(text);
    if (reference.tag === undefined) throw new GantryError("invalid", `invalid tag ${JSON.stringify(text)}`);
    return referenceString(reference);
  });
  const layers: Descriptor[] = [];
  for (const path of item.layers) layers.push(await describeLayer(loader, files, path));
  // The archive's own manifest, when it is about these very blobs, is kept as it is.
  const own = layout.find((one) => one.id === id && sameBlobs(one.source.layers, layers));
  await loadImage(loader, { id, config, layers, references, source: own?.source });
}

function sameBlobs(a: readonly Descriptor[], b: readonly Descriptor[]): boolean {
  return a.length === b.length && a.every((layer, at) => layer.digest === b[at]?.digest);
}

const LAYER_TYPES: Readonly<Record<Compression, string>> = {
  none: OCI_LAYER,
  gzip: OCI_LAYER_GZIP,
  zstd: OCI_LAYER_ZSTD,
};

async function describeLayer({ context, lease }: Loader, files: ArchiveFiles, path: string): Promise<Descriptor> {
  const { content } = context;
  const digest = files.find(path);
  if (digest === undefined) throw new GantryError("invalid", `open ${path}: no such file in the archive`);
  const compression = await compressionOf(content.path(digest));
  if (isProgramCompression(compression)) return plainLayer(context, lease, compression, digest);
  if (compression === "lz4")
    throw new GantryError("unsupported", `layer ${path} is compressed with lz4, which is not supported`);
  return { mediaType: LAYER_TYPES[compression], digest, size: content.size(digest) ?? 0 };
}

async function compressionOf(path: string): Promise<ReturnType<typeof sniffCompression>> {
  const handle = await open(path);
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(16), 0, 16, 0);
    return sniffCompression(buffer.subarray(0, bytesRead));
  } finally {
    await handle.close();
  }
}

/** No media type says bzip2 or xz: such a layer is kept as a plain archive. */
async function plainLayer(
  { content }: Context,
  lease: ContentLease,
  compression: ProgramCompression,
  packed: Digest,
): Promise<Descriptor> {
  const writer = await lease.writer();
  try {
    const plain = decompressWith(compression, content.read(packed));
    for await (const chunk of plain as AsyncIterable<Buffer>) await writer.write(chunk);
    return { mediaType: OCI_LAYER, ...(await writer.commit()) };
  } finally {
    await writer.abort();
  }
}

async function loadLayoutImage(loader: Loader, image: LayoutImage): Promise<void> {
  const { content } = loader.context;
  const { id, config } = readConfig(await content.bytes(image.id, CONFIG_LIMITS.bytes));
  const { source } = image;
  if (source.layers.length !== config.rootfs.diff_ids.length) {
    throw new GantryError("invalid", "layers from manifest don't match image configuration");
  }
  await loadImage(loader, { id, config, layers: source.layers, references: image.references, source });
}

interface LoadedImage {
  readonly id: Digest;
  readonly config: ImageConfig;
  readonly layers: readonly Descriptor[];
  readonly references: readonly string[];
  readonly source: ManifestSource | undefined;
}

async function loadImage(loader: Loader, { id, config, layers, references, source }: LoadedImage): Promise<void> {
  const { context, lease, report, loaded } = loader;
  const wanted = config.rootfs.diff_ids.map((diffId, at) => wantedBlob(context, diffId, layers[at], report));
  const chain = await ensureChain(context, wanted);
  const size = context.content.size(id) ?? 0;
  const made = source ?? { manifest: await makeManifest(lease, { digest: id, size }, layers), layers };
  const moved = await recordImage(context, { id, config, source: made, chain, references });
  for (const [reference, previous] of moved) {
    const name = familiarString(parseReference(reference));
    report?.({
      stream: `The image ${name} already exists, renaming the old one with ID ${previous} to empty string\n`,
    });
  }
  tell(context, "load", id, references.length > 0 ? familiarString(parseReference(references[0] ?? "")) : id);
  loaded.push(...(references.length > 0 ? references.map((text) => familiarString(parseReference(text))) : [id]));
}

/** A layer that lies in the content store; after a crash of the machine its bytes are better looked at again. */
export function wantedBlob(
  { content, clock }: Context,
  diffId: Digest,
  layer: Descriptor | undefined,
  report: Report | undefined,
  { verified }: { readonly verified: boolean } = { verified: true },
): WantedLayer {
  const digest = layer?.digest ?? "";
  const line = { id: shortId(diffId), status: "Loading layer", total: layer?.size ?? 0 };
  const progress = layerProgress(report, line, () => clock.now());
  return {
    diffId,
    source: () => ({ kind: "blob", path: content.path(digest), ...(verified && { digest }) }),
    progress: (bytes) => progress.at(bytes),
    done: () => progress.done(),
  };
}
