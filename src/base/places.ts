/** Where one Gantry keeps what it has. Pure: paths from a root. */
export interface Places {
  /** "" for the machine's own Gantry; else a tag that names this root's things on the host (links, tables). At most 6 characters. */
  readonly instance: string;
  readonly dataDir: string;
  readonly runDir: string;
  readonly dockerSocket: string;
  readonly controlSocket: string;
  readonly kubeconfig: string;
  readonly logFile: string;
}

const OWN: Places = {
  instance: "",
  dataDir: "/var/lib/gantry",
  runDir: "/run/gantry",
  dockerSocket: "/run/gantry/docker.sock",
  controlSocket: "/run/gantry/control.sock",
  kubeconfig: "/etc/gantry/kubeconfig",
  logFile: "/var/lib/gantry/gantry.log",
};

/** The longest path that a Unix socket's address can hold, in bytes (unix(7): sun_path is 108 with the NUL). */
const LONGEST_SOCKET_PATH_BYTES = 107;

/** The places of the machine's own Gantry, or below `root` (an absolute path). */
export function placesFor(root?: string): Places {
  if (root === undefined) return OWN;
  const runDir = `${root}/run`;
  return {
    instance: instanceTag(root),
    dataDir: `${root}/data`,
    runDir,
    dockerSocket: `${runDir}/docker.sock`,
    controlSocket: `${runDir}/control.sock`,
    kubeconfig: `${root}/kubeconfig`,
    logFile: `${root}/data/gantry.log`,
  };
}

/** Whether the socket paths below `root` are short enough; the deepest one is a shim's. */
export function socketPathsFit(places: Places): boolean {
  const deepest = `${places.runDir}/shims/${"0".repeat(64)}/shim.sock`;
  return Buffer.byteLength(places.dockerSocket) <= LONGEST_SOCKET_PATH_BYTES && Buffer.byteLength(deepest) <= 4095;
}

/** Six base-36 digits of an FNV-1a hash of the root: link names have 15 characters to share. */
function instanceTag(root: string): string {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(root)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash.toString(36).padStart(6, "0").slice(-6);
}
