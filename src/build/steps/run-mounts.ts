import { createHash } from "node:crypto";
import { chmod, chown, mkdir } from "node:fs/promises";
import { posix, join } from "node:path";
import { GantryError } from "#base/errors.ts";
import type { MountConfig } from "#containers/engine.ts";
import { contentDigest } from "../content-digest.ts";
import type { BuildRun } from "../types.ts";

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
  const target = posix.resolve(workingDir || "/", given);
  const isTrue = (...keys: string[]): boolean =>
    keys.some((key) => fields.get(key) === "true" || fields.get(key) === "1");
  return {
    type,
    target,
    source: fields.get("source") ?? fields.get("src") ?? "",
    id: fields.get("id") ?? target,
    readonly: type === "bind" ? !isTrue("rw", "readwrite") : isTrue("ro", "readonly"),
    required: isTrue("required"),
    sharing: sharingOf(fields.get("sharing")),
    mode: octal(fields.get("mode")),
    uid: Number(fields.get("uid") ?? 0),
    gid: Number(fields.get("gid") ?? 0),
    sizeBytes: fields.get("size"),
    from: fields.get("from"),
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

/** The engine's mounts of a RUN; secrets and ssh agents that nobody gave are left out unless they are required. */
export async function engineMounts(run: BuildRun, mounts: readonly RunMount[]): Promise<MountConfig[]> {
  const found = await Promise.all(mounts.map((mount) => engineMount(run, mount)));
  return found.filter((each) => each !== undefined);
}

async function engineMount(run: BuildRun, mount: RunMount): Promise<MountConfig | undefined> {
  const { type, target, from } = mount;
  if (from !== undefined)
    throw new GantryError("unsupported", `RUN --mount from=${from} is not supported`, { mount: "from" });
  switch (type) {
    case "bind":
      if (!mount.readonly)
        throw new GantryError("unsupported", "RUN --mount=type=bind,rw is not supported", { mount: "rw" });
      return {
        kind: "bind",
        source: run.context.path,
        ...(trimmed(mount.source) !== "" && { subpath: trimmed(mount.source) }),
        target,
        readonly: true,
        create: false,
        recursive: true,
      };
    case "cache":
      return {
        kind: "bind",
        source: await cacheDirectory(run, mount),
        target,
        readonly: mount.readonly,
        create: false,
        recursive: true,
      };
    case "tmpfs":
      return { kind: "tmpfs", target, options: mount.sizeBytes === undefined ? [] : [`size=${mount.sizeBytes}`] };
    default:
      if (mount.required) throw new GantryError("invalid", `${type} ${mount.id}: not found`, { mount: type });
      return undefined;
  }
}

/** A directory that outlives builds, one for each id. */
async function cacheDirectory(run: BuildRun, { id, mode, uid, gid }: RunMount): Promise<string> {
  const path = join(run.cacheMounts, createHash("sha256").update(id).digest("hex"));
  if ((await mkdir(path, { recursive: true, mode: 0o755 })) !== undefined) {
    await chmod(path, mode ?? 0o755);
    await chown(path, uid, gid);
  }
  return path;
}

/** What a mount adds to a step's key: what lies in the context counts, what a cache holds does not. */
export async function mountKey(run: BuildRun, text: string, mount: RunMount): Promise<string> {
  if (mount.type !== "bind" || mount.from !== undefined) return text;
  return `${text} ${await contentDigest(run.context.files.read(`/${trimmed(mount.source)}`, { as: "." }))}`;
}

function trimmed(path: string): string {
  return posix.normalize(`/${path}`).slice(1).replace(/\/$/, "");
}
