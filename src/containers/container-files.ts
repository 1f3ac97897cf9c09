import { createReadStream, readdirSync } from "node:fs";
import { Readable } from "node:stream";
import { GantryError } from "#base/errors.ts";
import { decodeName, systemName } from "#formats/tar-text.ts";
import { tarReader } from "#formats/tar-reader.ts";
import type { ImageStore, RootMount, Snapshot } from "#images/image-store.ts";
import { detachedDirectory, detachedOverlay } from "#linux/detached-mount.ts";
import { AT_REMOVEDIR, close, isSyscallError, O_DIRECTORY, O_PATH, open, unlinkat } from "#linux/syscalls.ts";
import type { Container, Engine, MountPoint } from "./engine.ts";
import { fileIds, HOST_IDS, mappedWriter, type FileIds } from "./files/file-ids.ts";
import { lstatIn, openDirectory, readlinkIn, splitPath } from "./files/rooted.ts";
import { readTree, type Skip } from "./files/read-tree.ts";
import { treeWriter } from "./files/write-tree.ts";
import { resolveUser } from "./spec/users.ts";
import { openFile, readBounded } from "./files/read-bounded.ts";

/** What lies at a path in a container: `docker cp` asks before it copies. */
export interface PathStat {
  /** Last component. */
  readonly name: string;
  readonly size: number;
  readonly kind: "file" | "directory" | "symlink" | "other";
  /** Permission bits with setuid, setgid and sticky. */
  readonly mode: number;
  readonly modifiedNanos: bigint;
  /** Where a symbolic link leads, absolute in the container; "" for anything else. */
  readonly linkTarget: string;
}

/** A root file system to read and write: paths are the container's own and never lead out of it, whatever links lie there. */
export interface RootFiles {
  /** undefined when there is nothing. A trailing slash follows a link. */
  stat(path: string): PathStat | undefined;
  /** Names in a directory, sorted; undefined when there is none. */
  list(path: string): readonly string[] | undefined;
  /** A tar of a file or a directory, its names beginning with the path's last component, or with `as`. Close the root only after its end. */
  read(path: string, options?: { as?: string; skip?: Skip }): Readable;
  /** Unpacks a tar into a directory, which must exist unless `make`. */
  write(path: string, archive: Readable, options: WriteRequest): Promise<void>;
  /** The text of a file of at most `maxBytes`; undefined when there is none. */
  readText(path: string, maxBytes: number): string | undefined;
  /** The bytes of a regular file; undefined when there is none. */
  readFile(path: string): Readable | undefined;
  /** Removes an empty directory or an empty file; false when it is not there or not empty. A link at the end is not followed. */
  removeEmpty(path: string): boolean;
  /** Ids of `user[:group]` by the passwd and group files in it. Throws `invalid` in runc's words. */
  ownerOf(spec: string): { readonly uid: number; readonly gid: number };
  close(): void;
}

export interface WriteRequest {
  readonly mode?: number | ((mode: number, isDirectory: boolean) => number);
  readonly modifiedNanos?: bigint;
  /** Refuse to replace a directory by something else, and the other way round. */
  readonly keepKinds: boolean;
  readonly owner?: { readonly uid: number; readonly gid: number };
  readonly make?: boolean;
}

export interface ContainerFiles {
  stat(id: string, path: string): Promise<PathStat>;
  /** Throws `not-found` in Docker's words. */
  read(id: string, path: string): Promise<{ readonly stat: PathStat; readonly archive: Readable }>;
  /** `asUser`: what is written belongs to the container's user. */
  write(id: string, path: string, archive: Readable, options: { keepKinds: boolean; asUser: boolean }): Promise<void>;
}

/** `docker cp` of running and stopped containers, with their volumes. */
export function createContainerFiles(
  engine: Pick<Engine, "get">,
  images: Pick<ImageStore, "snapshot">,
): ContainerFiles {
  return {
    async stat(id, path) {
      const { files, inside } = openContainer(engine.get(id), images, path);
      try {
        return found(files.stat(inside), id, path, engine);
      } finally {
        files.close();
      }
    },
    async read(id, path) {
      const { files, inside } = openContainer(engine.get(id), images, path);
      try {
        const stat = found(files.stat(inside), id, path, engine);
        const archive = files.read(inside, { as: archiveName(path) });
        archive.once("close", () => files.close());
        return { stat, archive };
      } catch (error) {
        files.close();
        throw error;
      }
    },
    async write(id, path, archive, { keepKinds, asUser }) {
      const container = engine.get(id);
      refuseReadOnly(container, path);
      const { files, inside } = openContainer(container, images, path);
      try {
        const owner = asUser ? ownerOf(container, images) : undefined;
        const stat = found(files.stat(`${inside}/`), id, path, engine);
        if (stat.kind !== "directory")
          throw new GantryError("invalid", "extraction point is not a directory", { path });
        await files.write(inside, archive, { keepKinds, ...(owner && { owner }) });
      } finally {
        files.close();
      }
    },
  };
}

/** A directory of the host as a root of its own (a build's context). */
export function directoryFiles(path: string): RootFiles {
  return rootFiles(open(path, O_PATH | O_DIRECTORY));
}

/** The root file system of a writable layer that no container runs on (builds). */
export function snapshotFiles(snapshot: Snapshot): RootFiles {
  return rootFiles(mountRoot(snapshot.mount));
}

function mountRoot(mount: RootMount): number {
  return mount.kind === "overlay" ? detachedOverlay(mount) : detachedDirectory(mount.source);
}

/** Files below a directory handle, which is taken over. */
function rootFiles(root: number, ids: FileIds = HOST_IDS): RootFiles {
  return {
    stat: (path) => statPath(root, path),
    read(path, { as, skip } = {}) {
      const clean = trim(path);
      const follow = path.endsWith("/") || path.endsWith("/.") || clean === "";
      const [directory, name] = follow ? [clean, "."] : splitPath(clean);
      const parent = openDirectory(root, directory);
      if (parent === undefined) throw new GantryError("not-found", `no such file or directory: ${path}`, { path });
      const archive = Readable.from(readTree(parent, name, as ?? splitPath(clean)[1], skip, ids), {
        objectMode: false,
      });
      archive.once("close", () => close(parent));
      return archive;
    },
    list: (path) => listNames(root, trim(path)),
    async write(path, archive, { make, ...options }) {
      const target = trim(path);
      if (!make && statPath(root, `${path}/`)?.kind !== "directory")
        throw new GantryError("not-found", `no such directory: ${path}`, { path });
      const { owner } = options;
      const writer = mappedWriter(
        treeWriter(root, target, { ...options, ...(owner && { owner: ids.outside(owner) }) }),
        ids,
      );
      const reader = tarReader(writer);
      try {
        for await (const chunk of archive as AsyncIterable<Buffer>) reader.write(chunk);
        reader.close();
        writer.finish();
      } finally {
        writer.close();
      }
    },
    readText: (path, maxBytes) => readBounded(root, trim(path), maxBytes),
    readFile(path) {
      const handle = openFile(root, trim(path));
      return handle === undefined ? undefined : createReadStream("", { fd: handle });
    },
    removeEmpty: (path) => removeEmpty(root, trim(path)),
    ownerOf(spec) {
      const read = (path: string): string => readBounded(root, path, USER_FILE_BYTES) ?? "";
      const { uid, gid } = resolveUser(spec, [], { passwd: read("etc/passwd"), group: read("etc/group") });
      return { uid, gid };
    },
    close: () => close(root),
  };
}

function removeEmpty(root: number, path: string): boolean {
  const [directory, name] = splitPath(path);
  const parent = openDirectory(root, directory);
  if (parent === undefined) return false;
  try {
    const stats = lstatIn(parent, name);
    if (!stats?.isDirectory() && !(stats?.isFile() && stats.size === 0n)) return false;
    unlinkat(parent, systemName(name), stats.isDirectory() ? AT_REMOVEDIR : 0);
    return true;
  } catch (error) {
    if (isSyscallError(error, "ENOTEMPTY", "ENOENT", "EBUSY", "ENOTDIR", "EISDIR")) return false;
    throw error;
  } finally {
    close(parent);
  }
}

function listNames(root: number, path: string): string[] | undefined {
  const handle = openDirectory(root, path);
  if (handle === undefined) return undefined;
  try {
    return readdirSync(`/proc/self/fd/${handle}`, { encoding: "buffer" }).map(decodeName).toSorted();
  } finally {
    close(handle);
  }
}

function statPath(root: number, path: string): PathStat | undefined {
  const clean = trim(path);
  const follow = path.endsWith("/") || path.endsWith("/.") || clean === "";
  const [directory, name] = follow ? [clean, "."] : splitPath(clean);
  const parent = openDirectory(root, directory);
  if (parent === undefined) return undefined;
  try {
    const stats = lstatIn(parent, name);
    if (!stats) return undefined;
    const kind = stats.isFile()
      ? "file"
      : stats.isDirectory()
        ? "directory"
        : stats.isSymbolicLink()
          ? "symlink"
          : "other";
    return {
      name: splitPath(clean)[1] || "/",
      size: Number(stats.size),
      kind,
      mode: Number(stats.mode & 0o7777n),
      modifiedNanos: stats.mtimeNs,
      linkTarget: kind === "symlink" ? absolute(directory, readlinkIn(parent, name)) : "",
    };
  } finally {
    close(parent);
  }
}

/** Opens the file system that a path lies on: the running process's own view, or a volume, or the writable layer of one that is down. */
function openContainer(
  container: Container,
  images: Pick<ImageStore, "snapshot">,
  path: string,
): { files: RootFiles; inside: string } {
  const { state } = container;
  if (state.status === "running" || state.status === "paused") {
    const ids = fileIds(container.config.namespaces.user);
    return { files: rootFiles(open(`/proc/${state.pid}/root`, O_PATH | O_DIRECTORY), ids), inside: path };
  }
  const mount = mountAt(container.mounts, path);
  if (mount)
    return {
      files: rootFiles(open(mount.source, O_PATH | O_DIRECTORY)),
      inside: path.slice(mount.destination.length) || "/",
    };
  const snapshot = images.snapshot(container.id);
  if (!snapshot)
    throw new GantryError("conflict", `container ${container.id} has no root file system`, { id: container.id });
  return { files: snapshotFiles(snapshot), inside: path };
}

/** The innermost directory mounted at or above a path. Links that lead into one are not followed while a container is down. */
function mountAt(mounts: readonly MountPoint[], path: string): MountPoint | undefined {
  const clean = `/${trim(path)}`;
  return mounts
    .filter(
      ({ type, destination }) => type !== "tmpfs" && (clean === destination || clean.startsWith(`${destination}/`)),
    )
    .toSorted((a, b) => b.destination.length - a.destination.length)[0];
}

function refuseReadOnly(container: Container, path: string): void {
  const mount = mountAt(container.mounts, path);
  if (mount?.readonly) throw new GantryError("forbidden", "mounted volume is marked read-only", { path });
  if (!mount && container.config.readonlyRoot)
    throw new GantryError("forbidden", "container rootfs is marked read-only", { path });
}

/** Larger passwd and group files are refused (CVE-2026-47262). */
const USER_FILE_BYTES = 4 * 1024 * 1024;

function ownerOf(container: Container, images: Pick<ImageStore, "snapshot">): { uid: number; gid: number } | undefined {
  if (container.config.user === "") return undefined;
  const { files } = openContainer(container, images, "/etc");
  try {
    return files.ownerOf(container.config.user);
  } finally {
    files.close();
  }
}

function found(stat: PathStat | undefined, id: string, path: string, engine: Pick<Engine, "get">): PathStat {
  if (stat) return stat;
  throw new GantryError("not-found", `Could not find the file ${path} in container ${engine.get(id).name}`, {
    id,
    path,
  });
}

/** Docker's name of an archive's root: the last component as it was written, so that `/etc/.` gives `.`. */
function archiveName(path: string): string {
  if (path.endsWith("/.")) return ".";
  return splitPath(trim(path))[1] || "/";
}

/** Without slashes around it; `..` and `.` taken out lexically. */
function trim(path: string): string {
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "" || part === ".") continue;
    if (part === "..") parts.pop();
    else parts.push(part);
  }
  return parts.join("/");
}

function absolute(directory: string, target: string): string {
  return `/${trim(target.startsWith("/") ? target : `${directory}/${target}`)}`;
}
