import { pipeline } from "node:stream/promises";
import { isDigest, type Digest } from "#formats/digest.ts";
import { isRepositoryPath } from "#formats/reference.ts";
import { answer, repositoryOf, unsupported, type Call } from "./call.ts";
import { RegistryError } from "./registry-error.ts";
import type { Upload } from "./uploads.ts";

/** GET, HEAD and DELETE of a blob. */
export async function serveBlob(call: Call, name: string, digest: Digest): Promise<void> {
  const { request } = call;
  const repository = repositoryOf(call, name);
  const size = repository.blobs.has(digest) ? call.registry.content.size(digest) : undefined;
  if (size === undefined) throw new RegistryError("BLOB_UNKNOWN", "blob unknown to registry", { digest });
  if (request.method === "DELETE") {
    await call.registry.repositories.change(name, (draft) => draft.blobs.delete(digest));
    await call.registry.content.collect();
    answer(call, 202);
  } else if (request.method === "GET" || request.method === "HEAD") {
    await sendBlob(call, digest, size);
  } else {
    throw unsupported();
  }
}

async function sendBlob(call: Call, digest: Digest, size: number): Promise<void> {
  const { request, response, registry } = call;
  const headers = {
    "accept-ranges": "bytes",
    "cache-control": "max-age=31536000",
    "content-type": "application/octet-stream",
    "docker-content-digest": digest,
    etag: `"${digest}"`,
  };
  if (request.headers["if-none-match"] === headers.etag) return answer(call, 304, headers);
  const range = rangeOf(request.headers.range, size);
  const { start, end } = range ?? { start: 0, end: size };
  const part = range ? { "content-range": `bytes ${start}-${end - 1}/${size}` } : {};
  response.writeHead(range ? 206 : 200, { ...headers, ...part, "content-length": end - start });
  if (request.method === "HEAD") {
    response.end();
    return;
  }
  // Kept while it is sent, whatever becomes of the repository.
  const lease = registry.content.lease();
  lease.keep(digest);
  try {
    await pipeline(registry.content.read(digest, { start, end }), response);
  } finally {
    lease.release();
  }
}

/** One range of bytes (RFC 9110, section 14.1.2); undefined for the whole, also when several are asked for. Throws RANGE_INVALID. */
export function rangeOf(
  header: string | undefined,
  size: number,
): { readonly start: number; readonly end: number } | undefined {
  const match = /^bytes=(\d{0,16})-(\d{0,16})$/.exec(header ?? "");
  if (!match || (match[1] === "" && match[2] === "")) return undefined;
  const [, from = "", to = ""] = match;
  const start = from === "" ? Math.max(0, size - Number(to)) : Number(from);
  const end = from === "" || to === "" ? size : Math.min(size, Number(to) + 1);
  if (start >= size || start >= end) {
    throw new RegistryError("RANGE_INVALID", "invalid content range", undefined, {
      "content-range": `bytes */${size}`,
    });
  }
  return { start, end };
}

/** POST: begins an upload, takes a blob in one request, or mounts one from another repository. */
export async function beginUpload(call: Call, name: string): Promise<void> {
  const { request, query, registry } = call;
  if (request.method !== "POST") throw unsupported();
  const mount = query.get("mount");
  if (mount !== null && (await mountBlob(call, name, mount, query.get("from")))) {
    answer(call, 201, blobHeaders(name, mount));
    return;
  }
  const upload = await registry.uploads.begin(name);
  const digest = query.get("digest");
  if (digest === null) answer(call, 202, uploadHeaders(upload));
  else await finish(call, upload, digest);
}

/** True when the blob is in the repository now: from one that is named, or from any when none is. */
async function mountBlob(call: Call, name: string, digest: string, from: string | null): Promise<boolean> {
  const { content, repositories, clock } = call.registry;
  if (!isDigest(digest)) throw new RegistryError("DIGEST_INVALID", "provided digest did not match uploaded content");
  if (from !== null && !isRepositoryPath(from)) return false;
  const sources = from === null ? repositories.names() : [from];
  const lease = content.lease();
  try {
    if (!sources.some((source) => repositories.get(source)?.blobs.has(digest)) || !lease.keep(digest)) return false;
    await repositories.change(name, (draft) => draft.blobs.set(digest, clock.now()));
    return true;
  } finally {
    lease.release();
  }
}

/** GET, PATCH, PUT and DELETE of an upload. */
export async function serveUpload(call: Call, name: string, id: string): Promise<void> {
  const { request, query, registry } = call;
  const upload = registry.uploads.get(id, name);
  if (request.method === "GET" || request.method === "HEAD") answer(call, 204, uploadHeaders(upload));
  else if (request.method === "PATCH") {
    await registry.uploads.exclusively(upload, () => takeBody(call, upload));
    answer(call, 202, uploadHeaders(upload));
  } else if (request.method === "PUT") {
    await finish(call, upload, query.get("digest") ?? "");
  } else if (request.method === "DELETE") {
    await registry.uploads.exclusively(upload, () => registry.uploads.end(upload));
    answer(call, 204);
  } else {
    throw unsupported();
  }
}

async function takeBody({ request }: Call, upload: Upload): Promise<void> {
  const range = request.headers["content-range"];
  if (range !== undefined) {
    const match = /^(?:bytes[ =])?(\d+)-(\d+)(?:\/.*)?$/.exec(range);
    const length = request.headers["content-length"];
    const fits =
      match &&
      Number(match[1]) === upload.writer.length &&
      (length === undefined || Number(match[2]) - Number(match[1]) + 1 === Number(length));
    if (!fits) throw new RegistryError("RANGE_INVALID", "invalid content range", undefined, uploadHeaders(upload));
  }
  for await (const chunk of request as AsyncIterable<Buffer>) await upload.writer.write(chunk);
}

async function finish(call: Call, upload: Upload, digest: string): Promise<void> {
  const { uploads, repositories, clock } = call.registry;
  if (!isDigest(digest)) {
    throw new RegistryError("DIGEST_INVALID", "provided digest did not match uploaded content", { digest });
  }
  await uploads.exclusively(upload, async () => {
    await takeBody(call, upload);
    try {
      await upload.writer.commit(digest);
      await repositories.change(upload.name, (draft) => draft.blobs.set(digest, clock.now()));
    } finally {
      await uploads.end(upload);
    }
  });
  answer(call, 201, blobHeaders(upload.name, digest));
}

function blobHeaders(name: string, digest: string): Record<string, string> {
  return { location: `/v2/${name}/blobs/${digest}`, "docker-content-digest": digest };
}

/** Where the upload goes on, and how much of it is here. */
function uploadHeaders(upload: Upload): Record<string, string> {
  return {
    location: `/v2/${upload.name}/blobs/uploads/${upload.id}`,
    range: `0-${Math.max(0, upload.writer.length - 1)}`,
    "docker-upload-uuid": upload.id,
  };
}
