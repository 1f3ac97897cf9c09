import { createHash } from "node:crypto";
import { posix } from "node:path";
import { Readable } from "node:stream";
import type { RootFiles, WriteRequest } from "#containers/container-files.ts";
import { expandWord, type Lookup } from "#formats/dockerfile-expand.ts";
import type { Instruction } from "#formats/dockerfile-instruction.ts";
import { ignoreOf, type Ignore } from "#formats/dockerignore.ts";
import { encodeTarHeader, TAR_END } from "#formats/tar-writer.ts";
import { tarPadding } from "#formats/tar-entry.ts";
import { contentDigest } from "../content-digest.ts";
import { fetchOnce } from "../remote/fetch-file.ts";
import { remoteCommit } from "../remote/git.ts";
import { parseGitUrl } from "../remote/git-url.ts";
import { cacheKey } from "../step-cache.ts";
import { withHistory, type StageState } from "../stage-state.ts";
import type { BuildRun, CopySource } from "../types.ts";
import { addRemote, isArchive, isRemote } from "./add.ts";
import { cachedStep, commitState, withLayer } from "./commit.ts";
import { parseFileMode, type ModeChange } from "./file-mode.ts";
import { planCopy, statFollowing, type CopyItem } from "./copy-plan.ts";

export type CopyInstruction = Extract<Instruction, { kind: "copy" | "add" }>;

interface Copy {
  readonly instruction: CopyInstruction;
  readonly name: "COPY" | "ADD";
  readonly sources: readonly string[];
  readonly inline: readonly { readonly name: string; readonly content: string }[];
  readonly target: string;
  readonly chown: string | undefined;
  readonly chmod: string | undefined;
  readonly mode: ModeChange | undefined;
}

/** COPY and ADD: a layer of what is copied, unless the same files went to the same place before. */
export async function copyStep(
  run: BuildRun,
  state: StageState,
  instruction: CopyInstruction,
  source: CopySource,
): Promise<StageState> {
  const copy = expandCopy(instruction, state, run.escape);
  const excluded = ignoreOf(instruction.options.exclude);
  const ignored: Ignore = (path) => source.ignored(path) || excluded(path);
  const key = await keyOf(run, state, copy, source, ignored);
  return cachedStep(run, key, state, () =>
    withLayer(
      run,
      state.imageId,
      (to) => write(run, copy, source, to, ignored),
      (snapshotId) => {
        const step = { createdBy: instruction.original, created: run.created, emptyLayer: false, key };
        return commitState(run, withHistory(state, step), snapshotId);
      },
    ),
  );
}

function expandCopy(instruction: CopyInstruction, state: StageState, escape: string): Copy {
  const lookup: Lookup = state.scope.lookup(state.config.Env ?? []);
  const expand = (text: string): string => expandWord(text, lookup, escape);
  const { options } = instruction;
  const target = expand(instruction.target);
  const chmod = options.chmod === undefined ? undefined : expand(options.chmod);
  const absolute = posix.isAbsolute(target)
    ? posix.normalize(target)
    : posix.join(state.config.WorkingDir || "/", target);
  // `.` and a trailing slash mean a directory, which path functions forget.
  const directory = /(^|\/)\.?$/.test(target) && !absolute.endsWith("/") ? `${absolute}/` : absolute;
  return {
    instruction,
    name: instruction.kind === "add" ? "ADD" : "COPY",
    sources: instruction.sources.map(expand),
    inline: instruction.inline.map(({ name, content, expand: wanted }) => ({
      name,
      content: wanted
        ? expandWord(
            content.replace(/["']/g, (quote) => `\\${quote}`),
            lookup,
            "\\",
          )
        : content,
    })),
    target: directory,
    chown: options.chown === undefined ? undefined : expand(options.chown),
    chmod,
    mode: chmod === undefined ? undefined : parseFileMode(chmod),
  };
}

async function keyOf(
  run: BuildRun,
  state: StageState,
  copy: Copy,
  source: CopySource,
  ignored: Ignore,
): Promise<string> {
  const { options } = copy.instruction;
  const parts: (string | undefined)[] = [
    "copy",
    // The text, too: it is in the image's history.
    copy.instruction.original,
    state.imageId,
    JSON.stringify(state.config),
    copy.name,
    copy.target,
    copy.chown,
    copy.chmod,
    String(options.parents),
    String(source.fromContext),
    options.checksum,
  ];
  for (const remote of copy.sources.filter(isRemote)) parts.push(remote, await remoteKey(run, remote, options));
  for (const { name, content } of copy.inline) parts.push(name, content);
  const local = copy.sources.filter((each) => !isRemote(each));
  if (local.length > 0) {
    const items = planCopy(
      source.files,
      EMPTY,
      { sources: local, target: copy.target, instruction: copy.name, parents: options.parents },
      ignored,
    );
    for (const item of items) parts.push(item.source, await contentDigest(readItem(source, item, ".", ignored)));
  }
  return cacheKey(parts);
}

/** A remote file counts by its content; a repository by its commit. */
async function remoteKey(run: BuildRun, url: string, options: CopyInstruction["options"]): Promise<string> {
  const how = `${options.keepGitDir} ${options.unpack ?? false}`;
  if (options.checksum !== undefined) return how;
  const git = parseGitUrl(url);
  if (git) return `${how} ${await remoteCommit(git, run.context.scratch, run.signal)}`;
  const { bytes } = await fetchOnce(run.context, url, run.signal);
  return `${how} ${createHash("sha256").update(bytes).digest("hex")}`;
}

/** What a source means does not hang on the target: for a key it is planned against nothing. */
const EMPTY = { stat: () => undefined } as unknown as RootFiles;

async function write(run: BuildRun, copy: Copy, source: CopySource, to: RootFiles, ignored: Ignore): Promise<void> {
  const request = writeRequest(copy, source, to);
  const { options } = copy.instruction;
  for (const url of copy.sources.filter(isRemote))
    await addRemote(run, url, to, {
      target: copy.target,
      request,
      checksum: options.checksum,
      keepGitDir: options.keepGitDir,
      unpack: options.unpack ?? false,
    });
  const local = copy.sources.filter((each) => !isRemote(each));
  const items =
    local.length === 0
      ? []
      : planCopy(
          source.files,
          to,
          { sources: local, target: copy.target, instruction: copy.name, parents: options.parents },
          ignored,
        );
  for (const item of items) await writeItem(copy, source, to, item, request, ignored);
  for (const { name, content } of copy.inline) await writeInline(copy, to, name, content, request);
}

async function writeItem(
  copy: Copy,
  source: CopySource,
  to: RootFiles,
  item: CopyItem,
  request: WriteRequest,
  ignored: Ignore,
): Promise<void> {
  if (copy.name === "ADD" && item.kind === "file" && copy.instruction.options.unpack !== false) {
    const archive = await isArchive(source.files, item.source);
    if (archive)
      return to.write(copy.target, archive, {
        keepKinds: false,
        make: true,
        ...(copy.chown !== undefined && request.owner && { owner: request.owner }),
      });
  }
  await to.write(item.directory, readItem(source, item, item.as, ignored), request);
}

function readItem(source: CopySource, item: CopyItem, as: string, ignored: Ignore): Readable {
  const prefix = item.source === "" ? "" : `${item.source}/`;
  const path = item.kind === "directory" ? `/${item.source}/` : `/${item.source}`;
  return source.files.read(path, { as, skip: (below) => ignored(`${prefix}${below}`) });
}

function writeRequest({ chown, mode }: Copy, source: CopySource, to: RootFiles): WriteRequest {
  const owner = chown !== undefined ? to.ownerOf(chown) : source.fromContext ? { uid: 0, gid: 0 } : undefined;
  return {
    keepKinds: false,
    make: true,
    ...(owner && { owner }),
    ...(mode && { mode }),
  };
}

async function writeInline(
  copy: Copy,
  to: RootFiles,
  name: string,
  content: string,
  request: WriteRequest,
): Promise<void> {
  const isDirectory =
    copy.target.endsWith("/") ||
    copy.sources.length + copy.inline.length > 1 ||
    statFollowing(to, copy.target.slice(1))?.kind === "directory";
  const path = isDirectory ? posix.join(copy.target, name) : copy.target;
  const bytes = Buffer.from(content);
  const header = encodeTarHeader({
    path: posix.basename(path),
    type: "file",
    mode: 0o644,
    uid: 0,
    gid: 0,
    size: bytes.length,
    modifiedNanos: 0n,
    linkPath: "",
    device: { major: 0, minor: 0 },
    xattrs: new Map(),
  });
  await to.write(
    posix.dirname(path),
    Readable.from([header, bytes, Buffer.alloc(tarPadding(bytes.length)), TAR_END]),
    request,
  );
}
