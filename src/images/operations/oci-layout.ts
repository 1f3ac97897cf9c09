import { GantryError } from "#base/errors.ts";
import { parseDigest, type Digest } from "#formats/digest.ts";
import type { Descriptor } from "#formats/image-config.ts";
import { DOCUMENT_LIMITS, parseImageDocument, readDescriptor, type ImageDocument } from "#formats/image-manifest.ts";
import { asObject, optionalArray, parseJsonObject } from "#formats/image-json.ts";
import { isIndexType } from "#formats/image-media-types.ts";
import { selectPlatform } from "#formats/image-platform.ts";
import { parseReference, referenceString, withDefaultTag } from "#formats/reference.ts";
import type { ManifestSource } from "../records/image-records.ts";
import type { ArchiveFiles } from "./archive-files.ts";
import type { Context } from "./context.ts";

/** An image of an OCI layout. */
export interface LayoutImage {
  /** Digest of its configuration. */
  readonly id: Digest;
  readonly source: ManifestSource;
  readonly references: readonly string[];
}

export interface Layout {
  readonly images: readonly LayoutImage[];
  /** What is wrong with those that could not be read: one of them does not spoil the others. */
  readonly failures: readonly unknown[];
}

/** index.json of an archive (OCI image-spec image-layout.md); undefined when it has none. */
export async function readLayout(context: Context, files: ArchiveFiles): Promise<Layout | undefined> {
  if (files.find("index.json") === undefined) return undefined;
  const document = parseJsonObject(
    await files.read("index.json", DOCUMENT_LIMITS.bytes),
    "index.json",
    DOCUMENT_LIMITS.bytes,
  );
  const entries = optionalArray(document["manifests"], "index.json manifests", DOCUMENT_LIMITS.manifests) ?? [];
  const images = new Map<Digest, LayoutImage>();
  const failures: unknown[] = [];
  for (const [at, entry] of entries.entries()) {
    try {
      const descriptor = readDescriptor(asObject(entry, `index.json manifests[${at}]`), `index.json manifests[${at}]`);
      const image = await readImage(context, files, descriptor);
      const known = images.get(image.id);
      images.set(image.id, known ? { ...known, references: [...known.references, ...image.references] } : image);
    } catch (error) {
      failures.push(error);
    }
  }
  return { images: [...images.values()], failures };
}

async function readImage(context: Context, files: ArchiveFiles, descriptor: Descriptor): Promise<LayoutImage> {
  const { manifest, document } = await followIndexes(context, files, descriptor);
  const { config, layers } = document.manifest;
  for (const blob of [config, ...layers]) requireBlob(files, blob);
  return { id: config.digest, source: { manifest, layers }, references: namesOf(descriptor) };
}

type ManifestDocument = Extract<ImageDocument, { kind: "manifest" }>;

/** From an index to the manifest for this machine, not deeper than the limit. */
async function followIndexes(
  context: Context,
  files: ArchiveFiles,
  start: Descriptor,
): Promise<{ manifest: Descriptor; document: ManifestDocument }> {
  let next = start;
  for (let depth = 0; depth <= DOCUMENT_LIMITS.indexDepth; depth++) {
    requireBlob(files, next);
    const bytes = await context.content.bytes(next.digest, DOCUMENT_LIMITS.bytes);
    const document = parseImageDocument(bytes, next.mediaType);
    if (document.kind === "manifest") {
      return { manifest: { mediaType: document.mediaType, digest: next.digest, size: bytes.length }, document };
    }
    const chosen = selectPlatform(document.index.manifests, context.host);
    if (!chosen)
      throw new GantryError("not-found", `no matching manifest for this platform in the index ${next.digest}`);
    next = chosen;
  }
  throw new GantryError("invalid", `indexes are nested deeper than ${DOCUMENT_LIMITS.indexDepth}`);
}

/** The blob that a descriptor names must be a file of the archive, with those bytes. */
function requireBlob(files: ArchiveFiles, descriptor: Descriptor): void {
  const { algorithm, hex } = parseDigest(descriptor.digest);
  if (algorithm !== "sha256")
    throw new GantryError("unsupported", `${algorithm} digests are not supported in image archives`);
  const found = files.find(`blobs/${algorithm}/${hex}`);
  const what = isIndexType(descriptor.mediaType) ? "index" : "blob";
  if (found === undefined) throw new GantryError("invalid", `archive lacks the ${what} ${descriptor.digest}`);
  if (found !== descriptor.digest) {
    throw new GantryError("invalid", `${what} ${descriptor.digest} of the archive has the digest ${found}`);
  }
}

/** containerd writes the whole name, others a whole reference or no more than a tag. */
function namesOf({ annotations = {} }: Descriptor): string[] {
  const name = annotations["io.containerd.image.name"] ?? annotations["org.opencontainers.image.ref.name"];
  if (name === undefined || (annotations["io.containerd.image.name"] === undefined && !/[:/]/.test(name))) return [];
  return [referenceString(withDefaultTag(parseReference(name)))];
}
