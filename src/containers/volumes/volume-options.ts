import { isIP } from "node:net";
import { lookup } from "node:dns/promises";
import { GantryError } from "#base/errors.ts";
import { MS_BIND, MS_NOATIME, MS_NODEV, MS_NOEXEC, MS_NOSUID, MS_RDONLY, MS_REC } from "#linux/mounts.ts";

/** What a volume of the local driver mounts at its directory; undefined: nothing, the directory itself is the volume. */
export interface VolumeMount {
  readonly device: string;
  /** "" for a bind. */
  readonly type: string;
  readonly flags: number;
  readonly data: string;
}

const KNOWN = ["type", "o", "device", "size"];
const NEEDS: Readonly<Record<string, readonly string[]>> = {
  type: ["device"],
  device: ["type"],
  o: ["device", "type"],
};

const FLAGS: Readonly<Record<string, number>> = {
  ro: MS_RDONLY,
  rw: 0,
  nosuid: MS_NOSUID,
  nodev: MS_NODEV,
  noexec: MS_NOEXEC,
  noatime: MS_NOATIME,
  bind: MS_BIND,
  rbind: MS_BIND | MS_REC,
  defaults: 0,
};

/** Reads the local driver's options (moby, volume/local). Throws `invalid` in Docker's words, `unsupported` for a size. */
export function parseVolumeOptions(options: Readonly<Record<string, string>>): VolumeMount | undefined {
  for (const name of Object.keys(options)) {
    if (!KNOWN.includes(name))
      throw new GantryError("invalid", `invalid option: ${JSON.stringify(name)}`, { option: name });
  }
  if (options["size"])
    throw new GantryError("unsupported", "quota size requested but no quota support", { option: "size" });
  for (const [name, needed] of Object.entries(NEEDS)) {
    const missing = options[name] === undefined ? undefined : needed.find((other) => !options[other]);
    if (missing)
      throw new GantryError("invalid", `missing required option: ${JSON.stringify(missing)}`, { option: missing });
  }
  if (!options["device"]) return undefined;
  let flags = 0;
  const data: string[] = [];
  for (const word of (options["o"] ?? "").split(",").filter(Boolean)) {
    const flag = FLAGS[word];
    if (flag === undefined) data.push(word);
    else flags |= flag;
  }
  const type = options["type"] === "none" || (flags & MS_BIND) !== 0 ? "" : (options["type"] ?? "");
  return { device: options["device"], type, flags, data: data.join(",") };
}

/** The kernel's NFS and CIFS clients take addresses only: a host name in `addr=` is looked up. */
export async function resolveAddress(mount: VolumeMount): Promise<VolumeMount> {
  const found = /(?:^|,)addr=([^,]+)/.exec(mount.data)?.[1];
  if (!/^(nfs4?|cifs)$/.test(mount.type) || found === undefined || isIP(found) !== 0) return mount;
  const { address } = await lookup(found);
  return { ...mount, data: mount.data.replace(`addr=${found}`, `addr=${address}`) };
}
