import { rm } from "node:fs/promises";
import { Readable } from "node:stream";
import { GantryError } from "#base/errors.ts";
import { chainIds, EMPTY_LAYER_DIFF_ID, type Digest } from "#formats/digest.ts";
import { applyChanges } from "#formats/dockerfile-config.ts";
import type { Descriptor, ImageConfig } from "#formats/image-config.ts";
import { parseImageConfig } from "#formats/image-config-reader.ts";
import {
  OCI_LAYER,
  OCI_LAYER_GZIP,
  OCI_LAYER_ZSTD,
  sniffCompression,
  type Compression,
} from "#formats/image-media-types.ts";
import { normalizePlatform } from "#formats/image-platform.ts";
import { parseReference, referenceString, withDefaultTag } from "#formats/reference.ts";
import type { ContentLease } from "../content-store.ts";
import { decompressWith, isProgramCompression } from "../program-decompressor.ts";
import type { ImportOptions } from "../image-store.ts";
import type { StagedLayer } from "../layers/layer-store.ts";
import { makeManifest, recordImage, type HeldChain } from "./add-image.ts";
import { tell, type Context } from "./context.ts";

/** `docker import`: a root file system as an image of one layer. Returns its id. */
export async function importRoot(context: Context, archive: Readable, options: ImportOptions): Promise<string> {
  const platform = normalizePlatform(options.platform ?? context.host);
  if (platform.os !== "linux")
    throw new GantryError("invalid", `operating system ${JSON.stringify(platform.os)} is not supported`);
  const references = options.reference === undefined ? [] : [newName(options.reference)];
  const created = new Date(context.clock.now()).toISOString();
  const comment = options.message === undefined || options.message === "" ? {} : { comment: options.message };
  const config: ImageConfig = {
    created,
    architecture: platform.architecture,
    os: platform.os,
    ...(platform.variant === undefined ? {} : { variant: platform.variant }),
    config: applyChanges({}, options.changes ?? []),
    rootfs: { type: "layers", diff_ids: [] },
    history: [{ created, ...comment }],
    ...comment,
  };
  const layer = async (lease: ContentLease): Promise<NewLayer> =>
    stageArchive(context, lease, await withoutProgramCompression(archive));
  const id = await addLayer(context, { layer, config, base: undefined, references });
  tell(context, "import", id, id);
  return id;
}

/** The whole form of a name that an image shall get. Throws `invalid` for one with a digest, in Docker's words. */
export function newName(text: string): string {
  const reference = parseReference(text);
  if (reference.digest !== undefined)
    throw new GantryError("invalid", "refusing to create a tag with a digest reference");
  return referenceString(withDefaultTag(reference));
}

/** `docker commit` and builds: a base image and one more layer, unless that is empty. Returns the new image's id. */
export async function commitLayer(
  context: Context,
  archive: Readable | undefined,
  config: ImageConfig,
  base: string | undefined,
  reference: string | undefined,
  { durable }: { readonly durable: boolean } = { durable: true },
): Promise<string> {
  const references = reference === undefined ? [] : [newName(reference)];
  const stage = async (lease: ContentLease): Promise<NewLayer | undefined> => {
    const layer = archive && (await stageArchive(context, lease, archive));
    if (layer?.diffId !== EMPTY_LAYER_DIFF_ID) return layer;
    context.layers.discard(layer.staged);
    return undefined;
  };
  return addLayer(context, { ...(archive && { layer: stage }), config, base, references, durable });
}

/** The image that a configuration and the lowest layers of another image make. Returns its id. */
export async function deriveImage(context: Context, config: ImageConfig, from: string, count: number): Promise<string> {
  const { records, layers, content } = context;
  const source = records.now.images.get(from);
  const known = records.image(from);
  if (!source || !known) throw new GantryError("not-found", `No such image: ${from}`);
  const diffIds = known.config.rootfs.diff_ids.slice(0, count);
  const top = chainIds(diffIds).at(-1);
  if (top !== undefined) layers.retain(top);
  const lease = content.lease();
  let chain: HeldChain | undefined = heldChain(context, top);
  try {
    const bytes = Buffer.from(JSON.stringify({ ...config, rootfs: { type: "layers", diff_ids: diffIds } }));
    const id = await lease.put(bytes);
    const blobs = (source.sources[0]?.layers ?? []).slice(0, count);
    const manifest = await makeManifest(lease, { digest: id, size: bytes.length }, blobs);
    const image = { id, config: parseImageConfig(bytes), source: { manifest, layers: blobs }, chain, references: [] };
    chain = undefined;
    await recordImage(context, image);
    return id;
  } finally {
    chain?.release();
    lease.release();
    await content.collect();
  }
}

export interface AddedLayer {
  /** Gives the layer, its blobs in the lease; undefined when it has no files. */
  readonly layer?: (lease: ContentLease) => Promise<NewLayer | undefined>;
  readonly config: ImageConfig;
  readonly base: string | undefined;
  readonly references: readonly string[];
  /** False: it is on the disk some time after. */
  readonly durable?: boolean;
}

/** Records an image of a base's layers and one more. Returns its id. */
export async function addLayer(context: Context, added: AddedLayer): Promise<string> {
  const { records, layers, content } = context;
  const base = added.base === undefined ? undefined : records.now.images.get(added.base);
  if (added.base !== undefined && !base) throw new GantryError("not-found", `No such image: ${added.base}`);
  const below = base?.top;
  // The base's layers stay until the new image holds them.
  if (below !== undefined) layers.retain(below);
  const lease = content.lease();
  let chain: HeldChain | undefined;
  try {
    const kept = await added.layer?.(lease);
    chain = await holdChain(context, kept?.staged, below);
    const baseConfig = added.base === undefined ? undefined : records.image(added.base)?.config;
    const config = withLayer(added.config, baseConfig?.rootfs.diff_ids ?? [], kept?.diffId, added.layer !== undefined);
    const bytes = Buffer.from(JSON.stringify(config));
    const id = await lease.put(bytes);
    const blobs = [...(base?.sources[0]?.layers ?? []), ...(kept ? [kept.descriptor] : [])];
    const manifest = await makeManifest(lease, { digest: id, size: bytes.length }, blobs);
    const parent = added.base === undefined || added.base === id ? {} : { parent: added.base };
    const source = { manifest, layers: blobs };
    // Read back as any other's, so that it means the same after a restart.
    const image = { id, config: parseImageConfig(bytes), source, chain, ...parent, references: added.references };
    chain = undefined;
    await recordImage(context, image, { durable: added.durable ?? true });
    return id;
  } finally {
    chain?.release();
    if (below !== undefined) layers.release(below);
    lease.release();
    await content.collect();
  }
}

/** A layer that is not in its place yet. */
export interface NewLayer {
  readonly staged: StagedLayer;
  readonly diffId: Digest;
  readonly descriptor: Descriptor;
}

const LAYER_TYPES: Readonly<Record<Compression, string>> = {
  none: OCI_LAYER,
  gzip: OCI_LAYER_GZIP,
  zstd: OCI_LAYER_ZSTD,
};

/** An archive of bzip2 or xz without that, which no layer's media type can say; any other as it is. */
async function withoutProgramCompression(archive: Readable): Promise<Readable> {
  const chunks = archive[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  let head: Buffer = Buffer.alloc(0);
  while (head.length < 16) {
    const next = await chunks.next();
    if (next.done) break;
    head = Buffer.concat([head, next.value]);
  }
  const whole = async function* (): AsyncGenerator<Buffer> {
    yield head;
    for (let next = await chunks.next(); !next.done; next = await chunks.next()) yield next.value;
  };
  const compression = sniffCompression(head);
  const stream = Readable.from(whole(), { objectMode: false });
  return isProgramCompression(compression) ? decompressWith(compression, stream) : stream;
}

/** Unpacks an archive as it comes, and keeps its bytes as a blob. */
async function stageArchive(context: Context, lease: ContentLease, archive: Readable): Promise<NewLayer> {
  const { content, layers } = context;
  const file = content.temporary();
  let compression: Compression = "none";
  const input = async function* (): AsyncGenerator<Uint8Array> {
    let first = true;
    for await (const chunk of archive as AsyncIterable<Buffer>) {
      const found = first ? sniffCompression(chunk) : "none";
      if (found === "gzip" || found === "zstd") compression = found;
      first = false;
      yield chunk;
    }
  };
  try {
    const staged = await layers.stage({ kind: "stream", input: input(), keep: { file } }, undefined);
    const digest = staged.digest ?? "";
    try {
      await lease.adopt(file, digest);
    } catch (error) {
      layers.discard(staged);
      throw error;
    }
    return {
      staged,
      diffId: staged.diffId,
      descriptor: { mediaType: LAYER_TYPES[compression], digest, size: content.size(digest) ?? 0 },
    };
  } catch (error) {
    await rm(file, { force: true });
    throw error;
  }
}

async function holdChain(
  context: Context,
  staged: StagedLayer | undefined,
  below: Digest | undefined,
): Promise<HeldChain> {
  const { layers } = context;
  let top = below;
  if (staged) top = (await layers.commit(staged, below)).chainId;
  else if (below !== undefined) layers.retain(below);
  return heldChain(context, top);
}

/** A chain that has been retained. */
function heldChain({ layers }: Context, top: Digest | undefined): HeldChain {
  const layerBytes = layers.chain(top).map((layer) => layer.size);
  return { top, layerBytes, release: () => top !== undefined && void layers.release(top) };
}

/** The configuration with the new layer in it, and its last history entry saying whether there is one. */
function withLayer(
  config: ImageConfig,
  below: readonly Digest[],
  diffId: Digest | undefined,
  asked: boolean,
): ImageConfig {
  const history = config.history?.map((entry, at, all) => {
    if (!asked || at < all.length - 1) return entry;
    const { empty_layer: _, ...rest } = entry;
    return diffId === undefined ? { ...rest, empty_layer: true } : rest;
  });
  const diffIds = diffId === undefined ? [...below] : [...below, diffId];
  return { ...config, rootfs: { type: "layers", diff_ids: diffIds }, ...(history ? { history } : {}) };
}
