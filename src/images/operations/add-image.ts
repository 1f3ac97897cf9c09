import { GantryError } from "#base/errors.ts";
import { chainIds, digestOf, type Digest } from "#formats/digest.ts";
import type { Descriptor, ImageConfig } from "#formats/image-config.ts";
import { parseImageConfig } from "#formats/image-config-reader.ts";
import { OCI_CONFIG, OCI_MANIFEST } from "#formats/image-media-types.ts";
import { parseReference, referenceString } from "#formats/reference.ts";
import type { ContentLease } from "../content-store.ts";
import type { LayerSource, StagedLayer } from "../layers/layer-store.ts";
import {
  MAX_SOURCES,
  type Draft,
  type ImageRecord,
  type ImageRecords,
  type ManifestSource,
} from "../records/image-records.ts";
import type { Context } from "./context.ts";

/** A layer that an image needs, and how to get it when it is not here. */
export interface WantedLayer {
  readonly diffId: Digest;
  source(): Promise<LayerSource> | LayerSource;
  /** After a failure: whether `source` has another try. */
  again?(error: unknown): boolean;
  /** Called when it is here already. */
  present?(): void;
  /** Called with each layer's archive bytes taken so far. */
  progress?(bytes: number): void;
  /** Called when it is unpacked and in its place; the digest is that of an archive that was kept. */
  done?(digest: Digest | undefined): Promise<void> | void;
}

/** Docker's limit (moby layer.maxLayerDepth), which leaves room for the container's own two: overlayfs takes more. */
const MAX_LAYERS = 125;

/** Layers that are here and stay until `release`. */
export interface HeldChain {
  readonly top: Digest | undefined;
  readonly layerBytes: readonly number[];
  release(): void;
}

/**
 * Sees to it that a chain of layers is here. What is missing is unpacked side by side and put in place from the bottom up.
 * When one fails, those below it that are in place go again with `release`, unless something else uses them.
 */
export function ensureChain(context: Context, wanted: readonly WantedLayer[]): Promise<HeldChain> {
  const ids = chainIds(wanted.map((layer) => layer.diffId));
  if (ids.length > MAX_LAYERS) throw new GantryError("invalid", "max depth exceeded");
  return context.chains.run(ids.at(-1) ?? "", async () => {
    const { layers } = context;
    let present = 0;
    while (present < ids.length && layers.get(ids[present] ?? "")) present++;
    let top: Digest | undefined = ids[present - 1];
    if (top !== undefined) layers.retain(top);
    for (const layer of wanted.slice(0, present)) layer.present?.();
    const staging = wanted.slice(present).map((layer) => stage(context, layer));
    const staged = await Promise.allSettled(staging);
    try {
      for (const [at, result] of staged.entries()) {
        if (result.status === "rejected") throw result.reason;
        const layer = await layers.commit(result.value, top);
        if (top !== undefined) layers.release(top);
        top = layer.chainId;
        await wanted[present + at]?.done?.(result.value.digest);
      }
    } catch (error) {
      if (top !== undefined) layers.release(top);
      discard(context, staged);
      throw error;
    }
    const layerBytes = layers.chain(top).map((layer) => layer.size);
    return { top, layerBytes, release: () => top !== undefined && void layers.release(top) };
  });
}

async function stage(context: Context, layer: WantedLayer): Promise<StagedLayer> {
  try {
    return await context.layers.stage(await layer.source(), layer.diffId, layer.progress?.bind(layer));
  } catch (error) {
    if (!layer.again?.(error)) throw error;
    return stage(context, layer);
  }
}

/** Those that were put in place are no longer in staging. */
function discard(context: Context, staged: readonly PromiseSettledResult<StagedLayer>[]): void {
  for (const result of staged) if (result.status === "fulfilled") context.layers.discard(result.value);
}

/** The configuration of an image, from its bytes. Throws `invalid` when it is not for this kind of machine. */
export function readConfig(bytes: Buffer): { readonly id: Digest; readonly config: ImageConfig } {
  const config = parseImageConfig(bytes);
  if (config.os !== "" && config.os !== "linux")
    throw new GantryError("invalid", `cannot load ${config.os} image on linux`);
  return { id: digestOf(bytes), config };
}

/** An OCI manifest for an image that came without one. Its blobs are in the lease. */
export async function makeManifest(
  lease: ContentLease,
  config: { readonly digest: Digest; readonly size: number },
  layers: readonly Descriptor[],
): Promise<Descriptor> {
  const document = { schemaVersion: 2, mediaType: OCI_MANIFEST, config: { mediaType: OCI_CONFIG, ...config }, layers };
  const bytes = Buffer.from(JSON.stringify(document));
  return { mediaType: OCI_MANIFEST, digest: await lease.put(bytes), size: bytes.length };
}

export interface NewImage {
  readonly id: Digest;
  readonly config: ImageConfig;
  readonly source: ManifestSource;
  readonly chain: HeldChain;
  readonly parent?: Digest;
  /** Whole references that shall name it. */
  readonly references: readonly string[];
}

/**
 * Writes an image down: from then on it is there, and keeps its layers and blobs; when it need not be `durable`, the disk has it some time
 * after. Returns the images that lost a name to it. The chain is the record's afterwards.
 */
export async function recordImage(
  context: Context,
  image: NewImage,
  { durable }: { readonly durable: boolean } = { durable: true },
): Promise<ReadonlyMap<string, Digest>> {
  const { records, clock } = context;
  const update: ImageRecords["update"] = durable ? records.update : records.updateSoon;
  const moved = new Map<string, Digest>();
  records.configure(image.id, image.config);
  let known: boolean;
  try {
    known = await update((draft) => {
      const before = draft.images.get(image.id);
      draft.images.set(image.id, merge(before, image, clock.now()));
      for (const reference of image.references) setReference(draft, reference, image.id, moved);
      return before !== undefined;
    });
  } catch (error) {
    image.chain.release();
    throw error;
  }
  // A record that was there had its layers already.
  if (known) image.chain.release();
  await warmUp(context, image.chain.top);
  return moved;
}

function merge(
  before: ImageRecord | undefined,
  { id, source, chain, parent, references }: NewImage,
  now: number,
): ImageRecord {
  const others = before?.sources.filter(({ manifest }) => manifest.digest !== source.manifest.digest) ?? [];
  return {
    id,
    sources: [source, ...others].slice(0, MAX_SOURCES),
    top: chain.top,
    layerBytes: chain.layerBytes,
    parent: before?.parent ?? parent,
    lastTaggedAt: references.length > 0 ? now : (before?.lastTaggedAt ?? 0),
  };
}

/** Gives a name to an image, in the draft. Throws in Docker's words for names that cannot be given. */
export function setReference(draft: Draft, text: string, id: Digest, moved?: Map<string, Digest>): void {
  const reference = parseReference(text);
  if (reference.domain === "docker.io" && reference.path === "library/sha256") {
    throw new GantryError("invalid", "refusing to create an ambiguous tag using digest algorithm as name");
  }
  const whole = referenceString(reference);
  const previous = draft.references.get(whole);
  if (previous !== undefined && previous !== id) moved?.set(whole, previous);
  draft.references.set(whole, id);
}

/** The mount points' layer is made now, so that the first container need not wait for it. */
async function warmUp(context: Context, top: Digest | undefined): Promise<void> {
  try {
    await context.layers.lowers(top);
  } catch (error) {
    context.logger.warn({ error, layer: top }, "the layer of mount points is made when a container needs it");
  }
}
