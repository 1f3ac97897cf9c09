import type { IncomingMessage } from "node:http";
import type { Readable } from "node:stream";
import type { Clock } from "#base/clock.ts";
import { GantryError, isGantryError } from "#base/errors.ts";
import { digestOf, isDigest, parseDigest, type Digest } from "#formats/digest.ts";
import { DOCUMENT_LIMITS } from "#formats/image-manifest.ts";
import { MANIFEST_TYPES } from "#formats/image-media-types.ts";
import { isTag, type ImageReference } from "#formats/reference.ts";
import type { RegistryAuth } from "../image-store.ts";
import type { Endpoint } from "./endpoints.ts";
import { readBody, type HttpResponse } from "./http.ts";
import { openSession, type Session } from "./session.ts";

/** One repository of a registry (OCI distribution-spec 1.1), seen from outside. */
export interface RemoteRepository {
  readonly origin: URL;
  /** Asks whether somebody speaks the protocol there. */
  ping(): Promise<void>;
  /** By tag or digest; the bytes are verified when it is a digest. */
  manifest(reference: string): Promise<RemoteManifest>;
  /** The bytes of a blob from `offset` on; `skipped` says how many before it come all the same. */
  blob(digest: Digest, offset: number): Promise<{ readonly body: IncomingMessage; readonly skipped: number }>;
  /** A small blob, verified. */
  blobBytes(digest: Digest, maxBytes: number): Promise<Buffer>;
  hasBlob(digest: Digest): Promise<boolean>;
  /** The names of its tags, at most 100,000 of them. */
  tags(): Promise<readonly string[]>;
  /** Mounts a blob from another repository of the registry: "mounted", or the place of an upload that was begun instead. */
  startUpload(mount?: { readonly digest: Digest; readonly from: string }): Promise<"mounted" | URL>;
  /** Sends bytes from where the upload stands; returns the upload's next place. */
  uploadChunk(
    place: URL,
    chunk: { readonly offset: number; readonly length: number; readonly stream: () => Readable },
  ): Promise<URL>;
  /** How many bytes of an upload have arrived, and its place now. */
  uploadState(place: URL): Promise<{ readonly offset: number; readonly place: URL }>;
  finishUpload(place: URL, digest: Digest): Promise<void>;
  putManifest(reference: string, bytes: Buffer, mediaType: string): Promise<void>;
  close(): void;
}

export interface RemoteManifest {
  readonly bytes: Buffer;
  readonly mediaType: string;
  readonly digest: Digest;
}

export interface RepositoryOptions {
  readonly endpoint: Endpoint;
  readonly reference: ImageReference;
  readonly auth: RegistryAuth | undefined;
  readonly actions: "pull" | "pull,push";
  readonly signal: AbortSignal | undefined;
  readonly clock: Clock;
}

export function remoteRepository(options: RepositoryOptions): RemoteRepository {
  const session = openSession(options);
  return {
    origin: options.endpoint.origin,
    ping: () => session.ping(),
    manifest: (name) => getManifest(session, name),
    async blob(digest, offset) {
      const range = offset > 0 ? { headers: { range: `bytes=${offset}-` } } : {};
      const response = await session.expect(
        { method: "GET", url: session.at(`blobs/${digest}`), ...range },
        [200, 206],
      );
      return { body: response.body, skipped: response.status === 206 ? 0 : offset };
    },
    blobBytes: (digest, maxBytes) => getBlob(session, digest, maxBytes),
    async hasBlob(digest) {
      const response = done(await session.send({ method: "HEAD", url: session.at(`blobs/${digest}`) }));
      if (response.status === 200) return true;
      if (response.status === 404) return false;
      throw await session.refusal(response, undefined);
    },
    tags: () => listTags(session),
    startUpload: (mount) => startUpload(session, mount),
    async uploadChunk(place, { offset, length, stream }) {
      const headers = {
        "content-type": "application/octet-stream",
        "content-range": `${offset}-${offset + length - 1}`,
      };
      return locationOf(
        await session.expect({ method: "PATCH", url: place, headers, body: { stream, length } }, [202, 204]),
      );
    },
    uploadState: (place) => uploadState(session, place),
    async finishUpload(place, digest) {
      const url = new URL(place);
      url.searchParams.set("digest", digest);
      done(await session.expect({ method: "PUT", url, body: Buffer.alloc(0) }, [201, 204]));
    },
    async putManifest(name, bytes, mediaType) {
      const headers = { "content-type": mediaType };
      done(
        await session.expect({ method: "PUT", url: session.at(`manifests/${name}`), headers, body: bytes }, [201, 202]),
      );
    },
    close: () => session.close(),
  };
}

async function getManifest(session: Session, name: string): Promise<RemoteManifest> {
  const headers = { accept: MANIFEST_TYPES.join(", ") };
  const response = await session.expect(
    { method: "GET", url: session.at(`manifests/${name}`), headers },
    [200],
    session.reference,
  );
  const bytes = await readBody(response, DOCUMENT_LIMITS.bytes);
  const digest = digestOf(bytes, isDigest(name) ? parseDigest(name).algorithm : "sha256");
  if (isDigest(name) && digest !== name)
    throw new GantryError("invalid", `manifest verification failed for digest ${name}`);
  const mediaType = (response.headers["content-type"] ?? "").split(";", 1)[0]?.trim() ?? "";
  return { bytes, mediaType, digest };
}

/** Tags of one repository that are read, and bytes of one page of them. */
const TAG_LIMITS = { tags: 100_000, pageBytes: 4 * 1024 * 1024 };

/** Page by page, as `Link` says (distribution-spec, "Listing Tags"); never to another origin. */
async function listTags(session: Session): Promise<readonly string[]> {
  const tags: string[] = [];
  let url: URL | undefined = session.at("tags/list");
  while (url) {
    const response: HttpResponse = await session.expect({ method: "GET", url }, [200], session.reference);
    const body = await readBody(response, TAG_LIMITS.pageBytes);
    const document = parseTags(body);
    tags.push(...document.filter(isTag));
    if (tags.length > TAG_LIMITS.tags)
      throw new GantryError("too-large", `repository ${session.reference.path} has more than ${TAG_LIMITS.tags} tags`);
    url = document.length > 0 ? nextPage(response, url) : undefined;
  }
  return tags;
}

function parseTags(body: Buffer): string[] {
  try {
    const { tags } = JSON.parse(body.toString("utf8")) as { tags?: unknown };
    return Array.isArray(tags) ? tags.filter((tag) => typeof tag === "string") : [];
  } catch (error) {
    throw new GantryError("invalid", "registry's list of tags is no JSON", {}, error);
  }
}

function nextPage(response: HttpResponse, here: URL): URL | undefined {
  const target = /<([^>]+)>\s*;\s*rel="?next"?/.exec(String(response.headers.link ?? ""))?.[1];
  const next = target !== undefined && URL.canParse(target, here) ? new URL(target, here) : undefined;
  return next?.origin === here.origin && next.href !== here.href ? next : undefined;
}

async function getBlob(session: Session, digest: Digest, maxBytes: number): Promise<Buffer> {
  const bytes = await readBody(
    await session.expect({ method: "GET", url: session.at(`blobs/${digest}`) }, [200]),
    maxBytes,
  );
  if (digestOf(bytes, parseDigest(digest).algorithm) !== digest) {
    throw new GantryError("invalid", `image config verification failed for digest ${digest}`);
  }
  return bytes;
}

async function startUpload(
  session: Session,
  mount: { digest: Digest; from: string } | undefined,
): Promise<"mounted" | URL> {
  const url = session.at("blobs/uploads/");
  if (mount) {
    url.searchParams.set("mount", mount.digest);
    url.searchParams.set("from", mount.from);
  }
  const request = { method: "POST", url, body: Buffer.alloc(0) };
  const scope = mount && `repository:${mount.from}:pull`;
  const response = await session.expect(request, mount ? [201, 202] : [202], undefined, scope);
  if (response.status === 202) return locationOf(response);
  done(response);
  return "mounted";
}

async function uploadState(session: Session, place: URL): Promise<{ offset: number; place: URL }> {
  const response = await session.expect({ method: "GET", url: place }, [204, 202]);
  const last = /^(?:bytes=)?0-(\d+)$/.exec(response.headers.range ?? "")?.[1];
  const next = response.headers.location === undefined ? place : locationOf(response);
  done(response);
  // A range of one byte and of none look alike (0-0): the protocol has no better.
  return { offset: last === undefined || last === "0" ? 0 : Number(last) + 1, place: next };
}

/** The answer is in its head. */
function done(response: HttpResponse): HttpResponse {
  response.body.resume();
  return response;
}

function locationOf(response: HttpResponse): URL {
  const { location } = done(response).headers;
  if (location !== undefined && URL.canParse(location, response.url.href)) return new URL(location, response.url);
  throw new GantryError("unavailable", `registry ${response.url.host} names no place to upload to`);
}

/**
 * Runs `use` with the first endpoint that answers. One that cannot be reached gives way to the next, and so does a mirror, whatever is
 * wrong with it. The error told is that of the registry itself.
 */
export async function withRepository<T>(
  endpoints: readonly Endpoint[],
  options: Omit<RepositoryOptions, "endpoint">,
  use: (repository: RemoteRepository) => Promise<T>,
): Promise<T> {
  const failures: unknown[] = [];
  for (const endpoint of endpoints) {
    const repository = remoteRepository({ ...options, endpoint });
    let reached = false;
    try {
      await repository.ping();
      reached = true;
      return await use(repository);
    } catch (error) {
      if (isGantryError(error, "cancelled") || (reached && !endpoint.mirror)) throw error;
      failures.push(error);
    } finally {
      repository.close();
    }
  }
  // Of HTTPS and HTTP at one place, the last is as good as any: Docker tells the last, too.
  throw failures.at(-1);
}
