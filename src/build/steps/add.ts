import { mkdir, rm } from "node:fs/promises";
import { join, posix } from "node:path";
import { Readable } from "node:stream";
import { GantryError } from "#base/errors.ts";
import { hexId } from "#base/ids.ts";
import { directoryFiles, type RootFiles, type WriteRequest } from "#containers/container-files.ts";
import { tarPadding } from "#formats/tar-entry.ts";
import { encodeTarHeader, TAR_END } from "#formats/tar-writer.ts";
import { decompress, isTar, sniff, type Compression } from "../decompress.ts";
import { checkDigest, fetchOnce } from "../remote/fetch-file.ts";
import { cloneInto } from "../remote/git.ts";
import { parseGitUrl, type GitSource } from "../remote/git-url.ts";
import type { BuildRun } from "../types.ts";

export function isRemote(source: string): boolean {
  return /^(https?:\/\/|git@|git:\/\/|ssh:\/\/)/.test(source);
}

/** A tar archive's entries, when that is what a file is: plain, or packed with gzip, bzip2, xz or zstd. */
export async function isArchive(files: RootFiles, path: string): Promise<Readable | undefined> {
  const head = await firstBytes(files, path);
  if (!head || !isTar(head.unpacked)) return undefined;
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

/** What ADD needs to know of a remote source. */
export interface RemoteAdd {
  readonly target: string;
  readonly request: WriteRequest;
  readonly checksum: string | undefined;
  readonly keepGitDir: boolean;
  /** Take an archive apart; by default a fetched one is not. */
  readonly unpack: boolean;
}

/** ADD of a git repository, or of a URL: a file with the name of the URL's end. Throws `invalid` when it cannot be had or has another checksum. */
export async function addRemote(run: BuildRun, url: string, to: RootFiles, add: RemoteAdd): Promise<void> {
  const git = parseGitUrl(url);
  if (git) return addRepository(run, git, to, add);
  const { target, request } = add;
  const name = posix.basename(new URL(url).pathname);
  const intoDirectory = target.endsWith("/");
  if (intoDirectory && name === "" && !add.unpack)
    throw new GantryError("invalid", `cannot determine filename for source ${url}`, { url });
  const { bytes, modifiedMs } = await fetchOnce(run.context, url, run.signal);
  checkDigest(url, bytes, add.checksum);
  if (add.unpack) {
    const { compression, stream } = await sniff(Readable.from([bytes]));
    return to.write(target, decompress(stream, compression), { ...withoutMode(request), make: true });
  }
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
    { ...request, mode: request.mode ?? 0o600 },
  );
}

function withoutMode({ mode: _mode, ...request }: WriteRequest): WriteRequest {
  return request;
}

async function addRepository(run: BuildRun, git: GitSource, to: RootFiles, add: RemoteAdd): Promise<void> {
  const clone = join(run.context.scratch, `add-${hexId(undefined, 8)}`);
  await mkdir(clone, { mode: 0o755 });
  const commit = add.checksum === undefined ? {} : { commit: add.checksum };
  await cloneInto(git, clone, {
    scratch: run.context.scratch,
    keepGitDir: add.keepGitDir,
    signal: run.signal,
    ...commit,
  });
  const files = directoryFiles(clone);
  try {
    await to.write(add.target, files.read("/", { as: "." }), add.request);
  } finally {
    files.close();
    await rm(clone, { recursive: true, force: true });
  }
}
