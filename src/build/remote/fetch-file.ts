import { createHash } from "node:crypto";
import { GantryError } from "#base/errors.ts";

/** The largest file that a build fetches. */
const LIMIT_BYTES = 2 * 1024 * 1024 * 1024;

export interface FetchedFile {
  readonly bytes: Buffer;
  /** By Last-Modified; 0 without it. */
  readonly modifiedMs: number;
}

const fetched = new WeakMap<object, Map<string, Promise<FetchedFile>>>();

/** Fetches a URL, once as long as `owner` lives. Throws as `fetchFile`. */
export function fetchOnce(owner: object, url: string, signal: AbortSignal | undefined): Promise<FetchedFile> {
  const files = fetched.get(owner) ?? new Map<string, Promise<FetchedFile>>();
  fetched.set(owner, files);
  const file = files.get(url) ?? fetchFile(url, signal);
  files.set(url, file);
  return file;
}

/** Fetches a URL. Throws `invalid` when it cannot be had, `too-large` above 2 GiB. */
export async function fetchFile(url: string, signal: AbortSignal | undefined): Promise<FetchedFile> {
  let response: Response;
  try {
    response = await fetch(url, signal ? { signal } : {});
  } catch (error) {
    throw new GantryError("invalid", `failed to load ${url}: ${causeOf(error)}`, { url }, error);
  }
  if (!response.ok)
    throw new GantryError("invalid", `invalid response status ${response.status} for ${url}`, {
      url,
      status: response.status,
    });
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    length += chunk.length;
    if (length > LIMIT_BYTES) throw new GantryError("too-large", `${url} is larger than ${LIMIT_BYTES} bytes`, { url });
    chunks.push(Buffer.from(chunk));
  }
  const modified = Date.parse(response.headers.get("last-modified") ?? "");
  return { bytes: Buffer.concat(chunks), modifiedMs: Number.isNaN(modified) ? 0 : modified };
}

function causeOf(error: unknown): string {
  const { cause, message } = error as Error;
  return cause instanceof Error && cause.message !== "" ? cause.message : message;
}

/** Throws `invalid` unless the bytes have the digest `sha256:...` (sha384 and sha512 too). */
export function checkDigest(url: string, bytes: Buffer, checksum: string | undefined): void {
  if (checksum === undefined) return;
  const [algorithm = "", wanted = ""] = checksum.split(":");
  if (algorithm !== "sha256" && algorithm !== "sha512" && algorithm !== "sha384")
    throw new GantryError("invalid", `unsupported digest algorithm ${algorithm}`, { checksum });
  const found = createHash(algorithm).update(bytes).digest("hex");
  if (found !== wanted) throw new GantryError("invalid", `digest mismatch ${algorithm}:${found}: ${checksum}`, { url });
}
