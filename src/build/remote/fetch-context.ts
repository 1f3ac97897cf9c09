import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { GantryError } from "#base/errors.ts";
import { directoryFiles } from "#containers/container-files.ts";
import { decompress, isTar, sniff, unpacked } from "../decompress.ts";
import { fetchFile } from "./fetch-file.ts";
import { cloneInto } from "./git.ts";
import { parseGitUrl } from "./git-url.ts";

/**
 * Fills the directory `target` with a remote context (POST /build, `remote`): a git repository, an archive, or a Dockerfile
 * alone. Throws `invalid` when it cannot be had.
 */
export async function fetchRemote(
  url: string,
  target: string,
  scratch: string,
  options: { readonly keepGitDir: boolean; readonly signal: AbortSignal | undefined },
): Promise<void> {
  const git = parseGitUrl(url);
  if (git) {
    await cloneInto(git, target, { ...options, scratch });
    return;
  }
  if (!/^https?:\/\//.test(url))
    throw new GantryError("unsupported", `remote context ${url} is not supported: give a git, http or https URL`, {
      url,
    });
  const { bytes } = await fetchFile(url, options.signal);
  const files = directoryFiles(target);
  try {
    if (await holdsTar(bytes)) await files.write("/", await unpacked(Readable.from([bytes])), { keepKinds: false });
    // Anything else is the Dockerfile itself (moby builder/remotecontext).
    else await writeFile(join(target, "Dockerfile"), bytes, { mode: 0o644 });
  } finally {
    files.close();
  }
}

async function holdsTar(bytes: Buffer): Promise<boolean> {
  const { compression, stream } = await sniff(Readable.from([bytes]));
  if (compression === "none") return isTar(bytes);
  try {
    for await (const chunk of decompress(stream, compression) as AsyncIterable<Buffer>) return isTar(chunk);
    return false;
  } catch {
    return false; // packed with something, but not whole: the parser of Dockerfiles says what is wrong
  }
}
