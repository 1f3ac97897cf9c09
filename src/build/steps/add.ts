import { createHash } from "node:crypto";
import { posix } from "node:path";
import { Readable } from "node:stream";
import { GantryError } from "#base/errors.ts";
import type { RootFiles, WriteRequest } from "#containers/container-files.ts";
import { tarPadding } from "#formats/tar-entry.ts";
import { encodeTarHeader, TAR_END } from "#formats/tar-writer.ts";
import { decompress, isTar, sniff, type Compression } from "../decompress.ts";

/** The largest file that ADD fetches. */
const REMOTE_LIMIT_BYTES = 2 * 1024 * 1024 * 1024;

export function isRemote(source: string): boolean {
  return /^(https?:\/\/|git@|git:\/\/|ssh:\/\/)/.test(source);
}

/** A tar archive's entries, when that is what a file is: plain, gzip or zstd. Throws `unsupported` for bzip2 and xz, by name. */
export async function isArchive(files: RootFiles, path: string): Promise<Readable | undefined> {
  const head = await firstBytes(files, path);
  if (!head) return undefined;
  if (head.compression === "bzip2" || head.compression === "xz") {
    throw new GantryError(
      "unsupported",
      `ADD ${path}: archives packed with ${head.compression} are not supported; use gzip or zstd`,
      { path },
    );
  }
  if (!isTar(head.unpacked)) return undefined;
  const file = files.readFile(path);
  return file && decompress((await sniff(file)).stream, head.compression);
}

async function firstBytes(
  files: RootFiles,
  path: string,
): Promise<{ compression: Compression; unpacked: Buffer } | undefined> {
  const file = files.readFile(path);
  if (!file) return undefined;
  const { compression, stream } = await sniff(file);
  const plain = decompress(stream, compression);
  try {
    for await (const chunk of plain as AsyncIterable<Buffer>) return { compression, unpacked: chunk };
    return { compression, unpacked: Buffer.alloc(0) };
  } catch {
    return { compression, unpacked: Buffer.alloc(0) }; // packed, but no archive: copied as it is
  } finally {
    file.destroy();
    stream.destroy();
  }
}

/** ADD of a URL: a file with the name of the URL's end. Throws `invalid` when it cannot be had or has another checksum. */
export async function addFile(
  url: string,
  target: string,
  to: RootFiles,
  request: WriteRequest,
  checksum: string | undefined,
): Promise<void> {
  if (!/^https?:\/\//.test(url) || /\.git(#.*)?$/.test(url))
    throw new GantryError("unsupported", `ADD ${url}: git repositories are not supported`, { url });
  const name = posix.basename(new URL(url).pathname);
  const intoDirectory = target.endsWith("/");
  if (intoDirectory && name === "")
    throw new GantryError("invalid", `cannot determine filename for source ${url}`, { url });
  const { bytes, modifiedMs } = await fetchFile(url);
  checkDigest(url, bytes, checksum);
  const path = intoDirectory ? posix.join(target, name) : target;
  const entry = {
    path: posix.basename(path),
    type: "file",
    mode: 0o600,
    uid: 0,
    gid: 0,
    size: bytes.length,
    modifiedNanos: BigInt(modifiedMs) * 1_000_000n,
    linkPath: "",
    device: { major: 0, minor: 0 },
    xattrs: new Map<string, Buffer>(),
  } as const;
  await to.write(
    posix.dirname(path),
    Readable.from([encodeTarHeader(entry), bytes, Buffer.alloc(tarPadding(bytes.length)), TAR_END]),
    request,
  );
}

async function fetchFile(url: string): Promise<{ bytes: Buffer; modifiedMs: number }> {
  let response: Response;
  try {
    response = await fetch(url);
  } catch (error) {
    throw new GantryError("invalid", `failed to load ${url}`, { url }, error);
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
    if (length > REMOTE_LIMIT_BYTES)
      throw new GantryError("too-large", `${url} is larger than ${REMOTE_LIMIT_BYTES} bytes`, { url });
    chunks.push(Buffer.from(chunk));
  }
  const modified = Date.parse(response.headers.get("last-modified") ?? "");
  return { bytes: Buffer.concat(chunks), modifiedMs: Number.isNaN(modified) ? 0 : modified };
}

function checkDigest(url: string, bytes: Buffer, checksum: string | undefined): void {
  if (checksum === undefined) return;
  const [algorithm = "", wanted = ""] = checksum.split(":");
  if (algorithm !== "sha256" && algorithm !== "sha512" && algorithm !== "sha384")
    throw new GantryError("invalid", `unsupported digest algorithm ${algorithm}`, { checksum });
  const found = createHash(algorithm).update(bytes).digest("hex");
  if (found !== wanted) throw new GantryError("invalid", `digest mismatch ${algorithm}:${found}: ${checksum}`, { url });
}
