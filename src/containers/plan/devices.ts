import { posix } from "node:path";
import { GantryError } from "#base/errors.ts";
import type { OciDevice, OciSpec } from "#formats/oci-spec.ts";
import type { Step } from "#linux/launch-plan.ts";
import { userNamespaceOf } from "./user-namespace.ts";

/** OCI runtime-spec config-linux.md, "Default Devices". */
const DEFAULT_DEVICES: readonly OciDevice[] = [
  ["/dev/null", 1, 3],
  ["/dev/zero", 1, 5],
  ["/dev/full", 1, 7],
  ["/dev/random", 1, 8],
  ["/dev/urandom", 1, 9],
  ["/dev/tty", 5, 0],
].map(([path, major, minor]) => ({
  type: "c",
  path: String(path),
  major: Number(major),
  minor: Number(minor),
  fileMode: 0o666,
  uid: 0,
  gid: 0,
}));

/** OCI runtime-spec runtime-linux.md, "Dev symbolic links". */
const LINKS: readonly (readonly [target: string, path: string])[] = [
  ["/proc/self/fd", "/dev/fd"],
  ["/proc/self/fd/0", "/dev/stdin"],
  ["/proc/self/fd/1", "/dev/stdout"],
  ["/proc/self/fd/2", "/dev/stderr"],
  ["/proc/kcore", "/dev/core"],
  ["pts/ptmx", "/dev/ptmx"],
];

const FILE_TYPES: Readonly<Record<OciDevice["type"], number>> = { c: 0o020000, u: 0o020000, b: 0o060000, p: 0o010000 };

/** Device nodes and links of /dev; none where the host's own /dev is bound. */
export function deviceSteps(spec: OciSpec): readonly Step[] {
  const isBound = spec.mounts?.some(
    ({ destination, type, options }) =>
      posix.resolve("/", destination) === "/dev" &&
      (type === "bind" || options?.includes("bind") || options?.includes("rbind")),
  );
  if (isBound) return [];
  const own = spec.linux?.devices ?? [];
  const taken = new Set(own.map(({ path }) => path));
  const devices = [...DEFAULT_DEVICES.filter(({ path }) => !taken.has(path)), ...own];
  const bound = userNamespaceOf(spec) !== undefined;
  return [
    ...devices.map((device) => nodeStep(device, bound)),
    ...LINKS.map(([target, path]): Step => ({ step: "symlink", target, path })),
  ];
}

/** In a user namespace no node can be made (but a fifo): the host's is bound. */
function nodeStep(device: OciDevice, bound: boolean): Step {
  const { type, path, major = 0, minor = 0, fileMode = 0o666, uid = 0, gid = 0 } = device;
  const fileType = FILE_TYPES[type];
  if (fileType === undefined || !path.startsWith("/")) {
    throw new GantryError("invalid", `device ${path}: invalid type or path`, { field: "linux.devices" });
  }
  if (bound && type !== "p") return { step: "bind-device", path: posix.resolve(path), mode: fileType, major, minor };
  return { step: "mknod", path: posix.resolve(path), mode: fileType | (fileMode & 0o7777), major, minor, uid, gid };
}
