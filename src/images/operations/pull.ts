import { rmSync } from "node:fs";
import { rm } from "node:fs/promises";
import { GantryError, isGantryError } from "#base/errors.ts";
import { shortId, type Digest } from "#formats/digest.ts";
import type { Descriptor, ImageConfig, ImageManifest, Platform } from "#formats/image-config.ts";
import { CONFIG_LIMITS } from "#formats/image-config-reader.ts";
import { DOCUMENT_LIMITS, parseImageDocument } from "#formats/image-manifest.ts";
import { isConfigType, layerCompression } from "#formats/image-media-types.ts";
import { formatPlatform, normalizePlatform, platformRank, selectPlatform } from "#formats/image-platform.ts";
import {
  familiarString,
  isNameOnly,
  parseReference,
  referenceString,
  repositoryName,
  withDefaultTag,
  type ImageReference,
} from "#formats/reference.ts";
import type { ContentLease } from "../content-store.ts";
import type { Partial } from "../content/partials.ts";
import type { Image, PullOptions } from "../image-store.ts";
import { endpointsOf } from "../registry-client/endpoints.ts";
import { withRepository, type RemoteManifest, type RemoteRepository } from "../registry-client/repository.ts";
import { retrying } from "../registry-client/retry.ts";
import { ensureChain, readConfig, recordImage, type WantedLayer } from "./add-image.ts";
import { tell, type Context } from "./context.ts";
import { layerBytes, retryOptions, type Download } from "./download.ts";
import { progressLine, statusLine } from "./progress.ts";

/** `docker pull`: one image, for this machine or `options.platform`. Messages are those of Docker's own pull. */
export async function pullImage(context: Context, text: string, options: PullOptions): Promise<Image> {
  const reference = withDefaultTag(parseReference(text));
  const endpoints = endpointsOf(reference.domain, context.registries, "pull");
  const { auth, signal } = options;
  const asked = { reference, auth, signal, actions: "pull", clock: context.clock } as const;
  const id = await withRepository(endpoints, asked, (repository) => pullFrom(context, repository, reference, options));
  tell(context, "pull", id, familiarString(reference));
  const image = context.records.image(id);
  if (!image) throw new GantryError("not-found", `No such image: ${familiarString(reference)}`);
  return image;
}

/** `docker pull -a`: every tag of a repository, in their order. */
export async function pullAllTags(context: Context, text: string, options: PullOptions): Promise<readonly Image[]> {
  const reference = parseReference(text);
  if (!isNameOnly(reference)) throw new GantryError("invalid", "tag can't be used with --all-tags/-a");
  const { auth, signal } = options;
  const asked = { reference, auth, signal, actions: "pull", clock: context.clock } as const;
  const endpoints = endpointsOf(reference.domain, context.registries, "pull");
  return withRepository(endpoints, asked, async (repository) => {
    const images: Image[] = [];
    for (const tag of (await repository.tags()).toSorted()) {
      const tagged = { ...reference, tag };
      const id = await pullFrom(context, repository, tagged, options);
      tell(context, "pull", id, familiarString(tagged));
      const image = context.records.image(id);
      if (image) images.push(image);
    }
    return images;
  });
}

async function pullFrom(
  context: Context,
  repository: RemoteRepository,
  reference: ImageReference,
  options: PullOptions,
): Promise<Digest> {
  const { report, signal } = options;
  const name = reference.digest ?? reference.tag ?? "";
  const download: Download = { context, repository, report, signal };
  const top = await fetchManifest(download, name);
  report?.({ status: `Pulling from ${reference.path}`, id: name });
  const platform = normalizePlatform(options.platform ?? context.host);
  const { manifest, fetched } = await chooseManifest(download, top, platform);
  if (!isConfigType(manifest.config.mediaType)) {
    throw new GantryError(
      "unsupported",
      `Encountered remote ${JSON.stringify(manifest.config.mediaType)}(unknown) when fetching`,
    );
  }
  const byDigest = `${repositoryName(reference)}@${top.digest}`;
  const references = reference.digest === undefined ? [referenceString(reference), byDigest] : [byDigest];
  const before = context.records.now.references.get(references[0] ?? "");
  const id = await takeImage(download, { manifest, fetched, references });
  if (options.platform) warnOfPlatform(context, id, reference, platform, report);
  report?.({ status: `Digest: ${top.digest}` });
  const fresh = before === id ? "Image is up to date for" : "Downloaded newer image for";
  report?.({ status: `Status: ${fresh} ${familiarString(reference)}` });
  return id;
}

function fetchManifest(download: Download, name: string): Promise<RemoteManifest> {
  return retrying(() => download.repository.manifest(name), retryOptions(download, shortId(name)));
}

/** From whatever the name stands for to the manifest of one platform. */
async function chooseManifest(
  download: Download,
  top: RemoteManifest,
  platform: Platform,
): Promise<{ manifest: ImageManifest; fetched: RemoteManifest }> {
  let fetched = top;
  for (let depth = 0; depth <= DOCUMENT_LIMITS.indexDepth; depth++) {
    const document = parseImageDocument(fetched.bytes, fetched.mediaType);
    if (document.kind === "manifest")
      return { manifest: document.manifest, fetched: { ...fetched, mediaType: document.mediaType } };
    const chosen = selectPlatform(document.index.manifests, platform);
    if (!chosen) {
      throw new GantryError(
        "not-found",
        `no matching manifest for ${formatPlatform(platform)} in the manifest list entries`,
      );
    }
    fetched = await fetchManifest(download, chosen.digest);
  }
  throw new GantryError("invalid", `indexes are nested deeper than ${DOCUMENT_LIMITS.indexDepth}`);
}

interface Wanted {
  readonly manifest: ImageManifest;
  readonly fetched: RemoteManifest;
  readonly references: readonly string[];
}

async function takeImage(download: Download, wanted: Wanted): Promise<Digest> {
  const { context } = download;
  const { manifest, references } = wanted;
  const id = manifest.config.digest;
  const lease = context.content.lease();
  const files: LayerFile[] = [];
  let error: unknown;
  try {
    const known = context.records.now.images.get(id);
    const source = known?.sources[0];
    if (known && source) {
      // It is here, by whatever way it came: nothing needs to be fetched.
      for (const layer of manifest.layers) download.report?.(statusLine(shortId(layer.digest), "Already exists"));
      const config = context.records.image(id)?.config;
      if (known.top !== undefined) context.layers.retain(known.top);
      const release = (): void => void (known.top !== undefined && context.layers.release(known.top));
      const chain = { top: known.top, layerBytes: known.layerBytes, release };
      if (config) await recordImage(context, { id, config, source, chain, references });
      return id;
    }
    const config = await fetchConfig(download, lease, manifest);
    const layers = wantedLayers(download, lease, manifest, config, files);
    const chain = await ensureChain(context, layers);
    try {
      await fetchMissing(download, lease, manifest.layers);
    } catch (error) {
      chain.release();
      throw error;
    }
    const digest = await lease.put(wanted.fetched.bytes);
    const descriptor: Descriptor = { mediaType: wanted.fetched.mediaType, digest, size: wanted.fetched.bytes.length };
    await recordImage(context, {
      id,
      config,
      source: { manifest: descriptor, layers: manifest.layers },
      chain,
      references,
    });
    return id;
  } catch (failure) {
    error = failure;
    throw failure;
  } finally {
    await settleFiles(context, files, error);
    lease.release();
    await context.content.collect();
  }
}

/** Where a layer's bytes are kept as they come. */
interface LayerFile {
  readonly digest: Digest;
  readonly path: string;
}

/** A pull that broke off leaves what it has to the next one; bytes that are wrong are of no use. */
async function settleFiles({ content }: Context, files: readonly LayerFile[], error: unknown): Promise<void> {
  const useful = error !== undefined && !isGantryError(error, "invalid");
  for (const { digest, path } of files) {
    if (useful) await content.partials.leave(digest, path);
    else await rm(path, { force: true });
  }
}

async function fetchConfig(download: Download, lease: ContentLease, manifest: ImageManifest): Promise<ImageConfig> {
  const { digest } = manifest.config;
  const fetch = (): Promise<Buffer> => download.repository.blobBytes(digest, CONFIG_LIMITS.bytes);
  const bytes = await retrying(fetch, retryOptions(download, shortId(digest)));
  const { config } = readConfig(bytes);
  if (config.rootfs.diff_ids.length !== manifest.layers.length) {
    throw new GantryError("invalid", "layers from manifest don't match image configuration");
  }
  for (const layer of manifest.layers) {
    if (layerCompression(layer.mediaType) === undefined) {
      throw new GantryError(
        "unsupported",
        `layer ${layer.digest} has the media type ${JSON.stringify(layer.mediaType)}, which is no layer's`,
      );
    }
  }
  await lease.put(bytes);
  return config;
}

/** Each layer as it is to be had: from here, or from the registry in one pass from its bytes to its files. */
function wantedLayers(
  download: Download,
  lease: ContentLease,
  manifest: ImageManifest,
  config: ImageConfig,
  files: LayerFile[],
): readonly WantedLayer[] {
  const { context, report, signal } = download;
  return manifest.layers.map((layer, at): WantedLayer => {
    const id = shortId(layer.digest);
    let file = "";
    let partial: Partial | undefined;
    let fresh = false;
    report?.(statusLine(id, "Pulling fs layer"));
    return {
      diffId: config.rootfs.diff_ids[at] ?? "",
      present: () => report?.(statusLine(id, "Already exists")),
      source() {
        const compression = layerCompression(layer.mediaType) ?? "gzip";
        if (lease.keep(layer.digest)) return { kind: "blob", path: context.content.path(layer.digest), compression };
        partial = fresh ? undefined : takePartial(context, layer, files);
        file = context.content.partials.file(layer.digest);
        files.push({ digest: layer.digest, path: file });
        const keep = { file, digest: layer.digest };
        const input = layerBytes(download, layer, partial);
        return { kind: "stream", input, compression, keep, ...(signal ? { signal } : {}) };
      },
      // What an earlier pull left may be damaged (the machine may have crashed): then all of it is fetched anew, once.
      again(error) {
        if (!partial || !isGantryError(error, "invalid")) return false;
        for (const path of [partial.path, file]) rmSync(path, { force: true });
        fresh = true;
        partial = undefined;
        return true;
      },
      async done(digest) {
        if (digest !== undefined) await lease.adopt(file, digest);
        report?.(progressLine(id, "Extracting", layer.size, layer.size));
        report?.(statusLine(id, "Pull complete"));
      },
    };
  });
}

/** What an earlier pull has of a layer; one of this pull's files now. */
function takePartial({ content }: Context, layer: Descriptor, files: LayerFile[]): Partial | undefined {
  const partial = content.partials.take(layer.digest);
  if (!partial) return undefined;
  files.push({ digest: layer.digest, path: partial.path });
  return partial.bytes <= layer.size ? partial : undefined;
}

/** Layers whose files are here, but whose bytes are not: they came by another compression. */
async function fetchMissing(download: Download, lease: ContentLease, layers: readonly Descriptor[]): Promise<void> {
  for (const layer of layers) {
    if (lease.keep(layer.digest)) continue;
    const writer = await lease.writer();
    try {
      for await (const chunk of layerBytes(download, layer, undefined)) await writer.write(chunk);
      await writer.commit(layer.digest);
    } finally {
      await writer.abort();
    }
  }
}

/** A single image for another platform is taken all the same, as Docker does. */
function warnOfPlatform(
  context: Context,
  id: Digest,
  reference: ImageReference,
  wanted: Platform,
  report: PullOptions["report"],
): void {
  const config = context.records.image(id)?.config;
  if (!config) return;
  const actual: Platform = {
    os: config.os,
    architecture: config.architecture,
    ...(config.variant ? { variant: config.variant } : {}),
  };
  if (platformRank(wanted, actual) !== undefined) return;
  const text = `image with reference ${familiarString(reference)} was found but does not match the specified platform: wanted ${formatPlatform(wanted)}, actual: ${formatPlatform(normalizePlatform(actual))}`;
  report?.({ status: `WARNING: ${text}` });
}
