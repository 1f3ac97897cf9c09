import { tarPadding, type TarEntry } from "#formats/tar-entry.ts";
import { encodeTarHeader, TAR_END } from "#formats/tar-writer.ts";
import { compareLayers } from "./changes-job.ts";
import type { JobContext, RequestOf, ResultOf } from "./jobs.ts";
import {
  isOpaque,
  isWhiteoutBig,
  join,
  layerChildren,
  lstatBig,
  mergedChild,
  openLayers,
  rootFolder,
  sorted,
  walk,
  withFolder,
  type Child,
  type Layers,
} from "./merged-tree.ts";
import { entryReader, fileBytes, type TreeEntry } from "./tree-entries.ts";

/** Writes a tar: the changes of a writable layer in the form of image layers, or all that a container sees. */
export async function packJob(request: RequestOf<"pack">, context: JobContext): Promise<ResultOf<"pack">> {
  const layers = openLayers([request.upper, ...request.lowers]);
  const archive = archiveWriter(context);
  const newest = request.newestSeconds === undefined ? undefined : BigInt(request.newestSeconds) * 1_000_000_000n;
  try {
    const entries = entriesOf(request, layers, context);
    let count = 0;
    for (const one of entries) {
      context.check();
      await archive.add(newest === undefined ? one : noNewer(one, newest));
      count++;
    }
    await archive.end();
    return { entries: count };
  } finally {
    layers.close();
  }
}

function noNewer(one: TreeEntry, newest: bigint): TreeEntry {
  return one.entry.modifiedNanos <= newest ? one : { ...one, entry: { ...one.entry, modifiedNanos: newest } };
}

function entriesOf({ content, full }: RequestOf<"pack">, layers: Layers, context: JobContext): Generator<TreeEntry> {
  if (content === "root") return wholeRoot(layers, full ? [0] : undefined);
  return full ? comparedFiles(layers, context) : changedFiles(layers);
}

/** Found by comparison: a full copy of the image says by itself nothing of what changed. */
function* comparedFiles(layers: Layers, context: JobContext): Generator<TreeEntry> {
  const reader = entryReader(layers);
  yield* present(changedRoot(layers));
  for (const change of compareLayers(layers, { full: true, most: MAX_COMPARED }, context)) {
    const path = change.path.slice(1);
    const slash = path.lastIndexOf("/");
    const folder = { path: slash < 0 ? "" : path.slice(0, slash), layers: [0] };
    const child = mergedChild(layers, folder, path.slice(slash + 1));
    if (change.kind === "deleted") yield marker(whiteoutPath(path), undefined);
    else if (child) yield* present(reader.read(path, child));
  }
}

const MAX_COMPARED = 4_000_000;

function present<T>(value: T | undefined): T[] {
  return value === undefined ? [] : [value];
}

function* wholeRoot(layers: Layers, from = rootFolder(layers).layers): Generator<TreeEntry> {
  const reader = entryReader(layers);
  for (const { path, child } of walk(layers, { path: "", layers: from })) yield* present(reader.read(path, child));
}

/**
 * The upper directory alone: a whiteout becomes `.wh.name`, an opaque directory has `.wh..wh..opq` in it. `onOther` hears of what is no
 * part of an archive.
 */
export function* changedFiles(
  layers: Layers,
  onOther: (path: string, child: Child) => void = () => undefined,
): Generator<TreeEntry> {
  const reader = entryReader(layers);
  yield* present(changedRoot(layers));
  const waiting: [string, Child][][] = [prefixed("", layerChildren(layers, "", 0))];
  for (let top = waiting.at(-1); top; top = waiting.at(-1)) {
    const next = top.shift();
    if (!next) {
      waiting.pop();
      continue;
    }
    const [path, child] = next;
    if (isWhiteoutBig(child.stats)) {
      yield marker(whiteoutPath(path), child);
      continue;
    }
    const entry = reader.read(path, child);
    if (!entry) {
      onOther(path, child);
      continue;
    }
    yield entry;
    if (!child.stats.isDirectory()) continue;
    if (isOpaque(layers, path, 0)) yield marker(`${path}/.wh..wh..opq`, child);
    waiting.push(prefixed(path, layerChildren(layers, path, 0)));
  }
}

function prefixed(path: string, children: ReadonlyMap<string, Child>): [string, Child][] {
  return sorted(children).map(([name, child]) => [join(path, name), child]);
}

/** The root directory itself, when a container changed its owner or mode. */
function changedRoot(layers: Layers): TreeEntry | undefined {
  const stats = (layer: number) => withFolder(layers, "", layer, (handle) => lstatBig(handle, "."));
  const [mine, theirs] = [stats(0), stats(1)];
  if (!mine || !theirs || (mine.mode === theirs.mode && mine.uid === theirs.uid && mine.gid === theirs.gid))
    return undefined;
  const entry = marker("./", { stats: mine, layer: 0, layers: [0] }).entry;
  return {
    entry: { ...entry, type: "directory", mode: Number(mine.mode & 0o7777n), modifiedNanos: mine.mtimeNs },
    open: () => undefined,
  };
}

function whiteoutPath(path: string): string {
  const slash = path.lastIndexOf("/") + 1;
  return `${path.slice(0, slash)}.wh.${path.slice(slash)}`;
}

function marker(path: string, child: Child | undefined): TreeEntry {
  const entry: TarEntry = {
    path,
    type: "file",
    mode: 0o600,
    uid: Number(child?.stats.uid ?? 0),
    gid: Number(child?.stats.gid ?? 0),
    size: 0,
    modifiedNanos: 0n,
    linkPath: "",
    device: { major: 0, minor: 0 },
    xattrs: new Map(),
  };
  return { entry, open: () => undefined };
}

const BATCH_BYTES = 256 * 1024;

/** Small pieces are sent together. */
export function archiveWriter(context: Pick<JobContext, "check" | "output">): {
  add(one: TreeEntry): Promise<void>;
  end(): Promise<void>;
} {
  let batch: Buffer[] = [];
  let bytes = 0;
  const flush = async (): Promise<void> => {
    if (bytes === 0) return;
    const whole = Buffer.allocUnsafeSlow(bytes);
    let at = 0;
    for (const piece of batch) at += piece.copy(whole, at);
    batch = [];
    bytes = 0;
    await context.output(whole);
  };
  const write = async (piece: Buffer): Promise<void> => {
    if (piece.length >= BATCH_BYTES) {
      await flush();
      await context.output(piece);
      return;
    }
    batch.push(piece);
    bytes += piece.length;
    if (bytes >= BATCH_BYTES) await flush();
  };
  return {
    async add({ entry, open }) {
      const fd = entry.size > 0 ? open() : undefined;
      // Gone since it was listed: the container runs on meanwhile.
      if (entry.size > 0 && fd === undefined) return;
      await write(encodeTarHeader(entry));
      if (fd === undefined) return;
      for (const chunk of fileBytes(fd, entry.size)) {
        context.check();
        await write(chunk);
      }
      await write(Buffer.alloc(tarPadding(entry.size)));
    },
    async end() {
      await write(TAR_END);
      await flush();
    },
  };
}
