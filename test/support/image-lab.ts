import { createHash } from "node:crypto";
import { lstatSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, type BigIntStats } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import type { RunConfig } from "#formats/image-config.ts";
import { tarPadding, type TarEntry } from "#formats/tar-entry.ts";
import { encodeTarHeader, TAR_END } from "#formats/tar-writer.ts";
import type { ImageStore } from "#images/image-store.ts";
import { openImages, type ImagesOptions } from "#images/open-images.ts";
import { isSyscallError, lgetxattr, llistxattr } from "#linux/syscalls.ts";

/** A file of a test archive: what is not said is plain. `data` makes a file, `linkPath` alone a symbolic link. */
export type TestFile = Partial<Omit<TarEntry, "size">> & { readonly path: string; readonly data?: string | Buffer };

export function tarEntry(file: TestFile): TarEntry {
  const guessed =
    file.data !== undefined
      ? "file"
      : file.linkPath !== undefined
        ? "symlink"
        : file.path.endsWith("/")
          ? "directory"
          : "file";
  const { data, ...fields } = file;
  return {
    type: guessed,
    mode: guessed === "directory" ? 0o755 : 0o644,
    uid: 0,
    gid: 0,
    modifiedNanos: 1_700_000_000n * 1_000_000_000n,
    linkPath: "",
    device: { major: 0, minor: 0 },
    xattrs: new Map(),
    ...fields,
    size: Buffer.byteLength(data ?? ""),
  };
}

/** An uncompressed archive. */
export function tarOf(files: readonly TestFile[]): Buffer {
  const parts = files.flatMap((file) => {
    const data = Buffer.from(file.data ?? "");
    return [encodeTarHeader(tarEntry(file)), data, Buffer.alloc(tarPadding(data.length))];
  });
  return Buffer.concat([...parts, TAR_END]);
}

export interface SavedImage {
  readonly tags?: readonly string[];
  /** Archives of the layers, from bottom to top, in whatever compression. */
  readonly layers: readonly Buffer[];
  /** Digests of the layers uncompressed, when they are compressed. */
  readonly diffIds?: readonly string[];
  readonly config?: RunConfig;
  /** Fields of the configuration document to overrule. */
  readonly document?: Readonly<Record<string, unknown>>;
}

export function sha256(data: Buffer | string): string {
  return createHash("sha256").update(data).digest("hex");
}

/** A `docker save` archive of the oldest kind that still loads: manifest.json and files. */
export function savedImages(images: readonly SavedImage[]): Buffer {
  const files = new Map<string, Buffer>();
  const items = images.map((image) => {
    const layers = image.layers.map((layer) => `${sha256(layer)}/layer.tar`);
    image.layers.forEach((layer, at) => files.set(layers[at] ?? "", layer));
    const document = {
      architecture: "amd64",
      os: "linux",
      config: image.config ?? {},
      rootfs: { type: "layers", diff_ids: image.diffIds ?? image.layers.map((layer) => `sha256:${sha256(layer)}`) },
      history: image.layers.map((_, at) => ({ created_by: `layer ${at}` })),
      ...image.document,
    };
    const config = Buffer.from(JSON.stringify(document));
    files.set(`${sha256(config)}.json`, config);
    return { Config: `${sha256(config)}.json`, RepoTags: image.tags ?? null, Layers: layers };
  });
  files.set("manifest.json", Buffer.from(JSON.stringify(items)));
  return tarOf(Array.from(files, ([path, data]) => ({ path, data })));
}

/** A stream that gives the bytes in pieces of at most `step`. */
export function streamOf(bytes: Buffer, step = 65_536): Readable {
  const pieces: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += step) pieces.push(bytes.subarray(at, at + step));
  return Readable.from(pieces, { objectMode: false });
}

/** A folder that is gone afterwards. Its path is short: mount options have one page. */
export async function withFolder<T>(use: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), "gi-"));
  try {
    return await use(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** An image store in a folder of its own. */
export async function withImages<T>(
  use: (images: ImageStore, dataDir: string) => Promise<T>,
  options: Partial<ImagesOptions> = {},
): Promise<T> {
  return withFolder(async (dataDir) => {
    const images = await openImages({ workers: 2, ...options, dataDir });
    try {
      return await use(images, dataDir);
    } finally {
      await images.close();
    }
  });
}

/**
 * A line for each file below a directory, with all that an archive keeps of it: type and mode, owner, size or target, time in
 * seconds, attributes, content. Two equal listings are two equal trees.
 */
export function listTree(root: string, options: { readonly times?: boolean; readonly root?: boolean } = {}): string[] {
  const inodes = new Map<bigint, string>();
  const lines: string[] = [];
  const visit = (path: string): void => {
    const full = join(root, path);
    const stats = lstatSync(full, { bigint: true });
    if (path !== "" || options.root) lines.push(describe(path, full, stats, inodes, options.times ?? true));
    if (!stats.isDirectory()) return;
    for (const name of readdirSync(full).sort()) visit(path === "" ? name : `${path}/${name}`);
  };
  visit("");
  return lines;
}

function describe(path: string, full: string, stats: BigIntStats, inodes: Map<bigint, string>, times: boolean): string {
  const first = inodes.get(stats.ino);
  if (!stats.isDirectory() && stats.nlink > 1n && first === undefined) inodes.set(stats.ino, path);
  const content = stats.isFile()
    ? sha256(readFileSync(full)).slice(0, 16)
    : stats.isSymbolicLink()
      ? readlinkSync(full)
      : "";
  const device = stats.isCharacterDevice() || stats.isBlockDevice() ? `dev=${stats.rdev}` : "";
  const parts = [
    path,
    stats.mode.toString(8),
    `${stats.uid}:${stats.gid}`,
    stats.isFile() ? `size=${stats.size}` : "",
    content,
    device,
    times ? `t=${stats.mtimeNs / 1_000_000_000n}` : "",
    first === undefined ? "" : `= ${first}`,
    ...attributes(full),
  ];
  return parts.filter((part) => part !== "").join(" ");
}

function attributes(path: string): string[] {
  try {
    return llistxattr(path)
      .filter((name) => name !== "security.selinux")
      .map((name) => `${name}=${lgetxattr(path, name).toString("hex")}`)
      .sort();
  } catch (error) {
    if (isSyscallError(error, "EOPNOTSUPP")) return [];
    throw error;
  }
}
