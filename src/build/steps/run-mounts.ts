import { createHash } from "node:crypto";
import { chmod, chown, mkdir } from "node:fs/promises";
import { posix, join } from "node:path";
import { GantryError } from "#base/errors.ts";
import { hexId } from "#base/ids.ts";
import { directoryFiles, type RootFiles } from "#containers/container-files.ts";
import type { MountConfig } from "#containers/engine.ts";
import { contentDigest } from "../content-digest.ts";
import type { BuildRun, WithSource } from "../types.ts";
import { secretMount, sshMount } from "./secret-mounts.ts";

/** A `RUN --mount`, taken apart. */
export interface RunMount {
  readonly type: "bind" | "cache" | "tmpfs" | "secret" | "ssh";
  readonly target: string;
  readonly source: string;
  readonly id: string;
  readonly readonly: boolean;
  readonly required: boolean;
  readonly sharing: "shared" | "locked" | "private";
  readonly mode: number | undefined;
  readonly uid: number;
  readonly gid: number;
  readonly sizeBytes: string | undefined;
  readonly from: string | undefined;
  /** A variable that a secret's value is given in. */
  readonly env: string | undefined;
}

const KEYS = new Set([
  "type",
  "from",
  "source",
  "src",
  "target",
  "dst",
  "destination",
  "readonly",
  "ro",
  "readwrite",
  "rw",
  "id",
  "sharing",
  "required",
  "size",
  "mode",
  "uid",
  "gid",
  "env",
]);

/** `type=cache,target=/root/.cache`. Throws `invalid` in BuildKit's words. */
export function parseRunMount(text: string, workingDir: string): RunMount {
  const fields = new Map<string, string>();
  for (const part of text.split(",")) {
    const at = part.indexOf("=");
    const key = (at < 0 ? part : part.slice(0, at)).toLowerCase();
    if (!KEYS.has(key)) throw new GantryError("invalid", `unexpected key '${key}' in '${part}'`, { mount: text });
    fields.set(key, at < 0 ? "true" : part.slice(at + 1));
  }
  const type = fields.get("type") ?? "bind";
  if (type !== "bind" && type !== "cache" && type !== "tmpfs" && type !== "secret" && type !== "ssh")
    throw new GantryError("invalid", `unsupported mount type ${JSON.stringify(type)}`, { mount: text });
  const given = fields.get("target") ?? fields.get("dst") ?? fields.get("destination") ?? "";
  if (given === "" && type !== "secret" && type !== "ssh")
    throw new GantryError("invalid", `${type} mount requires a target`, { mount: text });
  const isSecret = type === "secret" || type === "ssh";
  const target = isSecret && given === "" ? "" : posix.resolve(workingDir || "/", given);
  const isTrue = (...keys: string[]): boolean =>
    keys.some((key) => fields.get(key) === "true" || fields.get(key) === "1");
  return {
    type,
    target,
    source: fields.get("source") ?? fields.get("src") ?? "",
    id: fields.get("id") ?? (type === "ssh" ? "default" : isSecret ? posix.basename(target) : target),
    readonly: type === "bind" ? !isTrue("rw", "readwrite") : isTrue("ro", "readonly"),
    required: isTrue("required"),
    sharing: sharingOf(fields.get("sharing")),
    mode: octal(fields.get("mode")),
    uid: Number(fields.get("uid") ?? 0),
    gid: Number(fields.get("gid") ?? 0),
    sizeBytes: fields.get("size"),
    from: fields.get("from"),
    env: fields.get("env"),
  };
}

function sharingOf(text: string | undefined): RunMount["sharing"] {
  if (text === undefined || text === "shared" || text === "locked" || text === "private") return text ?? "shared";
  throw new GantryError("invalid", `unsupported sharing value ${JSON.stringify(text)}`);
}

function octal(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^[0-7]{1,4}$/.test(text)) throw new GantryError("invalid", `invalid mode: ${text}`);
  return Number.parseInt(text, 8);
}

/** What a RUN is given beside its image. */
export interface GivenMounts {
  readonly mounts: readonly MountConfig[];
  /** `NAME=value`: secrets, and where an agent's socket is. */
  readonly env: readonly string[];
  /** Takes away what must not outlive the command. */
  close(): Promise<void>;
}

/** The engine's mounts of a RUN; secrets and ssh agents that nobody gave are left out unless they are required. */
export async function engineMounts(
  run: BuildRun,
  mounts: readonly RunMount[],
  withSource: WithSource,
): Promise<GivenMounts> {
  const found: MountConfig[] = [];
  const env: string[] = [];
  const closers: (() => Promise<void>)[] = [];
  const close = async (): Promise<void> => {
    for (const one of closers) await one();
  };
  try {
    for (const [index, mount] of mounts.entries()) {
      if (mount.type === "secret" || mount.type === "ssh") {
        const given = mount.type === "ssh" ? sshMount(run, mount, index) : await secretMount(run, mount);
        found.push(...(given?.mounts ?? []));
        env.push(...(given?.env ?? []));
        if (given) closers.push(given.close);
      } else found.push(await engineMount(run, mount, withSource));
    }
  } catch (error) {
    await close();
    throw error;
  }
  return { mounts: found, env, close };
}

async function engineMount(run: BuildRun, mount: RunMount, withSource: WithSource): Promise<MountConfig> {
  const { type, target } = mount;
  if (type === "tmpfs")
    return { kind: "tmpfs", target, options: mount.sizeBytes === undefined ? [] : [`size=${mount.sizeBytes}`] };
  if (type === "bind") return bindMount(run, mount, withSource);
  // Without a `from` to begin with, the source is a place in the cache.
  const below = mount.from === undefined ? trimmed(mount.source) : "";
  return {
    kind: "bind",
    source: await cacheDirectory(run, mount, withSource),
    ...(below !== "" && { subpath: below }),
    target,
    readonly: mount.readonly,
    create: false,
    recursive: true,
  };
}

/** The context itself, read-only; a copy of what may be written to, or lies in another image: writes are not kept. */
async function bindMount(run: BuildRun, mount: RunMount, withSource: WithSource): Promise<MountConfig> {
  const { target, readonly } = mount;
  const shared = { kind: "bind", target, readonly, create: false, recursive: true } as const;
  const path = trimmed(mount.source);
  if (readonly && mount.from === undefined)
    return { ...shared, source: run.context.path, ...(path !== "" && { subpath: path }) };
  const directory = join(run.context.scratch, `bind-${hexId(undefined, 8)}`);
  await mkdir(directory, { mode: 0o755 });
  await withFiles(run, mount, withSource, (files) => copyTree(files, mount.source, directory, "copy"));
  return { ...shared, source: join(directory, "copy") };
}

/** A directory that outlives builds, one for each id; a new one begins with what `from` gives. */
async function cacheDirectory(run: BuildRun, mount: RunMount, withSource: WithSource): Promise<string> {
  const path = join(run.cacheMounts, createHash("sha256").update(mount.id).digest("hex"));
  if ((await mkdir(path, { recursive: true, mode: 0o755 })) !== undefined) {
    if (mount.from !== undefined)
      await withFiles(run, mount, withSource, (files) => copyTree(files, mount.source, path, "."));
    await chmod(path, mount.mode ?? 0o755);
    await chown(path, mount.uid, mount.gid);
  }
  return path;
}

function withFiles<T>(
  run: BuildRun,
  { from }: RunMount,
  withSource: WithSource,
  use: (files: RootFiles) => Promise<T>,
): Promise<T> {
  return from === undefined ? use(run.context.files) : withSource(from, ({ files }) => use(files));
}

async function copyTree(files: RootFiles, path: string, directory: string, as: string): Promise<void> {
  const to = directoryFiles(directory);
  try {
    await to.write("/", files.read(`/${trimmed(path)}`, { as }), { keepKinds: false });
  } finally {
    to.close();
  }
}

/** What a mount adds to a step's key: what it reads counts, what a cache holds does not. */
export async function mountKey(run: BuildRun, text: string, mount: RunMount, withSource: WithSource): Promise<string> {
  if (mount.type !== "bind") return text;
  const digest = await withFiles(run, mount, withSource, (files) =>
    contentDigest(files.read(`/${trimmed(mount.source)}`, { as: "." })),
  );
  return `${text} ${digest}`;
}

function trimmed(path: string): string {
  return posix.normalize(`/${path}`).slice(1).replace(/\/$/, "");
}
