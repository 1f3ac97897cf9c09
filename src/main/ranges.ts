import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { dirname, join } from "node:path";
import { GantryError } from "#base/errors.ts";
import type { UpOptions } from "#cli/ports.ts";

/** The address ranges of one Gantry. */
export interface Ranges {
  readonly bip: string;
  readonly podCidr: string;
  readonly serviceCidr: string;
  /** Of the machine's further nodes. */
  readonly nodeCidr: string;
}

type Kept = Omit<Ranges, "nodeCidr"> & Partial<Pick<Ranges, "nodeCidr">>;

/** Docker's and kubeadm's own customary ranges. */
const CUSTOMARY: Ranges = {
  bip: "172.17.0.1/16",
  podCidr: "10.244.0.0/16",
  serviceCidr: "10.96.0.0/16",
  nodeCidr: "10.245.0.0/24",
};

/** For a root that was first started by a version without further nodes: the last quarter of its /16. */
function nodesBeside({ bip }: Pick<Ranges, "bip">): string {
  const own = /^10\.(\d+)\.0\.1\/18$/.exec(bip)?.[1];
  return own === undefined ? CUSTOMARY.nodeCidr : `10.${own}.192.0/18`;
}

/**
 * The ranges that this root has had from its first start on; at the first start the customary ones for the machine's own Gantry, and for another
 * root a /16 of 10/8 that follows from its tag and that no link of this host uses. What the command line says wins.
 */
export function chooseRanges(options: UpOptions): Ranges {
  const { instance, dataDir } = options.places;
  const file = join(dataDir, "ranges.json");
  const kept = readKept(file);
  const chosen: Kept = kept ?? (instance === "" ? CUSTOMARY : rangesOfInstance(instance, usedSecondBytes()));
  const ranges = {
    bip: options.bip ?? chosen.bip,
    podCidr: options.podCidr ?? chosen.podCidr,
    serviceCidr: options.serviceCidr ?? chosen.serviceCidr,
    nodeCidr: options.nodeCidr ?? chosen.nodeCidr ?? nodesBeside(chosen),
  };
  if (JSON.stringify(ranges) !== JSON.stringify(kept)) keep(file, ranges);
  return ranges;
}

function readKept(file: string): Kept | undefined {
  return existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as Kept) : undefined;
}

function keep(file: string, ranges: Ranges): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o710 });
  writeFileSync(`${file}.new`, `${JSON.stringify(ranges)}\n`, { mode: 0o600 });
  renameSync(`${file}.new`, file);
}

/** Pure: the first free `10.n.0.0/16`, n from 100 to 239, starting where the tag says. */
export function rangesOfInstance(instance: string, used: ReadonlySet<number>): Ranges {
  const first = Number.parseInt(instance, 36) % 140;
  for (let step = 0; step < 140; step++) {
    const n = 100 + ((first + step) % 140);
    if (used.has(n)) continue;
    const quarter = (at: number): string => `10.${n}.${at}.0/18`;
    return { bip: `10.${n}.0.1/18`, podCidr: quarter(64), serviceCidr: quarter(128), nodeCidr: quarter(192) };
  }
  throw new GantryError(
    "conflict",
    "no free /16 of 10.100.0.0-10.239.0.0 is left for this root: give --bip, --pod-cidr and --service-cidr",
  );
}

function usedSecondBytes(): Set<number> {
  const used = new Set<number>();
  for (const addresses of Object.values(networkInterfaces())) {
    for (const { address, family } of addresses ?? []) {
      const [first, second] = address.split(".").map(Number);
      if (family === "IPv4" && first === 10 && second !== undefined) used.add(second);
    }
  }
  return used;
}
