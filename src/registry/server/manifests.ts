import { isGantryError } from "#base/errors.ts";
import { digestOf, isDigest, parseDigest, type Digest } from "#formats/digest.ts";
import type { Descriptor } from "#formats/image-config.ts";
import { DOCUMENT_LIMITS, parseImageDocument, type ImageDocument } from "#formats/image-manifest.ts";
import { isIndexType, isManifestType, OCI_INDEX } from "#formats/image-media-types.ts";
import { answer, answerBytes, repositoryOf, requestBody, unsupported, type Call } from "./call.ts";
import { RegistryError } from "./registry-error.ts";
import type { ManifestRecord, Repository } from "./repositories.ts";

/** GET, HEAD, PUT and DELETE of a manifest, by tag or digest. */
export async function serveManifest(call: Call, name: string, reference: string): Promise<void> {
  const { method } = call.request;
  if (method === "GET" || method === "HEAD") await getManifest(call, name, reference);
  else if (method === "PUT") await putManifest(call, name, reference);
  else if (method === "DELETE") await deleteManifest(call, name, reference);
  else throw unsupported();
}

function find(repository: Repository, reference: string): { digest: Digest; record: ManifestRecord } {
  const digest = isDigest(reference) ? reference : repository.tags.get(reference);
  const record = digest === undefined ? undefined : repository.manifests.get(digest);
  if (digest !== undefined && record) return { digest, record };
  throw new RegistryError("MANIFEST_UNKNOWN", "manifest unknown", { name: repository.name, reference });
}

async function getManifest(call: Call, name: string, reference: string): Promise<void> {
  const { digest, record } = find(repositoryOf(call, name), reference);
  const headers = { "content-type": record.mediaType, "docker-content-digest": digest, etag: `"${digest}"` };
  if (call.request.headers["if-none-match"] === headers.etag) return answer(call, 304, headers);
  const bytes = await call.registry.content.bytes(digest, DOCUMENT_LIMITS.bytes);
  answerBytes(call, 200, bytes, headers);
}

async function putManifest(call: Call, name: string, reference: string): Promise<void> {
  const { content, repositories } = call.registry;
  const bytes = await requestBody(call, DOCUMENT_LIMITS.bytes);
  const type = (call.request.headers["content-type"] ?? "").split(";", 1)[0]?.trim() ?? "";
  const document = readManifest(bytes, type);
  const digest = digestOf(bytes, isDigest(reference) ? parseDigest(reference).algorithm : "sha256");
  if (isDigest(reference) && digest !== reference) {
    throw new RegistryError("DIGEST_INVALID", "provided digest did not match uploaded content", { digest: reference });
  }
  const record = recordOf(document, bytes.length);
  const lease = content.lease();
  try {
    const writer = await lease.writer();
    try {
      await writer.write(bytes);
      await writer.commit(digest);
    } finally {
      await writer.abort();
    }
    await repositories.change(name, (draft) => {
      for (const needed of missing(document, draft)) {
        throw new RegistryError("MANIFEST_BLOB_UNKNOWN", "manifest references a manifest or blob unknown to registry", {
          digest: needed,
        });
      }
      draft.manifests.set(digest, record);
      if (!isDigest(reference)) draft.tags.set(reference, digest);
    });
  } finally {
    lease.release();
    await content.collect();
  }
  const subject: Record<string, string> = record.subject === undefined ? {} : { "oci-subject": record.subject };
  answer(call, 201, { location: `/v2/${name}/manifests/${digest}`, "docker-content-digest": digest, ...subject });
}

function readManifest(bytes: Buffer, type: string): ImageDocument {
  if (type !== "" && !isManifestType(type) && !isIndexType(type) && type !== "application/json") {
    throw new RegistryError("MANIFEST_INVALID", `manifests of the type ${JSON.stringify(type)} are not supported`);
  }
  try {
    return parseImageDocument(bytes, type);
  } catch (error) {
    if (!isGantryError(error, "invalid")) throw error;
    throw new RegistryError("MANIFEST_INVALID", `manifest invalid: ${error.message}`);
  }
}

function recordOf(document: ImageDocument, size: number): ManifestRecord {
  const parts = document.kind === "manifest" ? document.manifest : document.index;
  const config = document.kind === "manifest" ? document.manifest.config : undefined;
  const { subject, annotations } = parts;
  const artifactType = parts.artifactType ?? config?.mediaType;
  return {
    mediaType: document.mediaType || OCI_INDEX,
    size,
    needs: needsOf(document).map(({ digest }) => digest),
    ...(subject ? { subject: subject.digest } : {}),
    ...(artifactType === undefined ? {} : { artifactType }),
    ...(annotations ? { annotations } : {}),
  };
}

function needsOf(document: ImageDocument): readonly Descriptor[] {
  if (document.kind === "index") return document.index.manifests;
  return [document.manifest.config, ...document.manifest.layers];
}

/** What the manifest needs and the repository lacks. Layers with addresses of their own may be elsewhere. */
function missing(document: ImageDocument, draft: Pick<Repository, "manifests" | "blobs">): Digest[] {
  const here = (descriptor: Descriptor): boolean => {
    if (document.kind === "index") return draft.manifests.has(descriptor.digest);
    return draft.blobs.has(descriptor.digest) || (descriptor.urls?.length ?? 0) > 0;
  };
  return needsOf(document)
    .filter((descriptor) => !here(descriptor))
    .map(({ digest }) => digest);
}

/** By tag: the tag goes. By digest: the manifest goes, with all its tags. */
async function deleteManifest(call: Call, name: string, reference: string): Promise<void> {
  const { content, repositories } = call.registry;
  const repository = repositoryOf(call, name);
  const { digest } = find(repository, reference);
  await repositories.change(name, (draft) => {
    if (!isDigest(reference)) {
      draft.tags.delete(reference);
      return;
    }
    draft.manifests.delete(digest);
    for (const [tag, target] of draft.tags) if (target === digest) draft.tags.delete(tag);
  });
  await content.collect();
  answer(call, 202);
}
