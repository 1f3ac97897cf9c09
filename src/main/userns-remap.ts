import { readFileSync } from "node:fs";
import { release } from "node:os";
import { GantryError } from "#base/errors.ts";
import type { IdMapping, UserNamespaceMaps } from "#containers/engine.ts";

/** Texts of the machine's user files. */
export interface UserFiles {
  readonly passwd: string;
  readonly group: string;
  readonly subuid: string;
  readonly subgid: string;
}

/** The user that `default` stands for, as with dockerd. */
const DEFAULT_USER = "dockremap";
/** The first kernel with overlays of layers with mapped ids. */
const NEEDED = [5, 19] as const;

/** What `--userns-remap` comes to on this machine; undefined: users are the host's. Throws `invalid`, `unsupported` on an older kernel. */
export function usernsRemap(wanted: string | undefined): UserNamespaceMaps | undefined {
  if (wanted === undefined || wanted === "") return undefined;
  const maps = remapOf(wanted, {
    passwd: readText("/etc/passwd"),
    group: readText("/etc/group"),
    subuid: readText("/etc/subuid"),
    subgid: readText("/etc/subgid"),
  });
  if (maps) checkKernel(release());
  return maps;
}

/**
 * `default`, `user`, `user:group`, `uid` or `uid:gid` → all of the user's subordinate ids, in order of the files, from 0 inside (moby,
 * opts and daemon: parseRemappedRoot, LoadIdentityMapping). Undefined for root, who cannot be remapped to itself. Pure.
 */
export function remapOf(wanted: string, files: UserFiles): UserNamespaceMaps | undefined {
  const [user = "", group, ...more] = wanted.split(":");
  if (user === "" || group === "" || more.length > 0)
    throw refusal(`invalid user/group specification in --userns-remap: ${JSON.stringify(wanted)}`);
  const isDefault = wanted === "default";
  const { name, id } = isDefault ? { name: DEFAULT_USER, id: "" } : account(user, files.passwd, "user", "/etc/passwd");
  if (group !== undefined) account(group, files.group, "group", "/etc/group");
  if (id === "0") return undefined;
  const hint = isDefault ? `: add a line "${DEFAULT_USER}:100000:65536" to each of /etc/subuid and /etc/subgid` : "";
  return {
    uidMappings: ranges(files.subuid, [name, id], "subuid", hint),
    gidMappings: ranges(files.subgid, [name, id], "subgid", hint),
  };
}

/** Throws `unsupported` on a kernel (uname -r) that cannot map the ids of layers. */
export function checkKernel(version: string): void {
  const [major = 0, minor = 0] = version.split(/[.-]/).map(Number);
  if (major > NEEDED[0] || (major === NEEDED[0] && minor >= NEEDED[1])) return;
  throw new GantryError("unsupported", `--userns-remap needs Linux ${NEEDED.join(".")} (this is ${version})`, {
    flag: "--userns-remap",
  });
}

/** A line of passwd or group, by name or number. */
function account(wanted: string, text: string, kind: string, file: string): { name: string; id: string } {
  const isNumber = /^\d+$/.test(wanted);
  for (const line of text.split("\n")) {
    const [name = "", , id = ""] = line.split(":");
    if (id !== "" && (isNumber ? id : name) === wanted) return { name, id };
  }
  throw refusal(`--userns-remap: ${kind} ${wanted} is not in ${file}`);
}

function ranges(text: string, owners: readonly string[], file: string, hint: string): IdMapping[] {
  const mappings: IdMapping[] = [];
  let containerID = 0;
  for (const line of text.split("\n")) {
    const [owner = "", first, count, ...more] = line.trim().split(":");
    if (owner === "" || owner.startsWith("#") || !owners.includes(owner)) continue;
    const [hostID, size] = [Number(first), Number(count)];
    if (more.length > 0 || !Number.isInteger(hostID) || !Number.isInteger(size) || size <= 0)
      throw refusal(`--userns-remap: /etc/${file} has a line that is not "user:first id:count": ${line}`);
    mappings.push({ containerID, hostID, size });
    containerID += size;
  }
  if (mappings.length > 0) return mappings;
  throw refusal(`--userns-remap: no ${file} ranges found for user "${owners[0]}"${hint}`);
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return "";
    throw error;
  }
}

function refusal(message: string): GantryError {
  return new GantryError("invalid", message, { flag: "--userns-remap" });
}
