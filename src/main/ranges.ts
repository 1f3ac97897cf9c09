import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { isIPv6 } from "node:net";
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
  /** Of two families: those of IPv6, all three or none. */
  readonly podCidr6?: string | undefined;
  readonly serviceCidr6?: string | undefined;
  readonly nodeCidr6?: string | undefined;
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
  const pods = splitRanges("--pod-cidr", options.podCidr);
  const services = splitRanges("--service-cidr", options.serviceCidr);
  const nodes = splitRanges("--node-cidr", options.nodeCidr);
  const nodeCidr = nodes?.v4 ?? chosen.nodeCidr ?? nodesBeside(chosen);
  const podCidr6 = pods ? pods.v6 : chosen.podCidr6;
  const serviceCidr6 = services ? services.v6 : chosen.serviceCidr6;
  checkBoth(podCidr6, serviceCidr6, nodes?.v6);
  const ranges: Ranges = {
    bip: options.bip ?? chosen.bip,
    podCidr: pods?.v4 ?? chosen.podCidr,
    serviceCidr: services?.v4 ?? chosen.serviceCidr,
    nodeCidr,
    ...(podCidr6 === undefined
      ? {}
      : { podCidr6, serviceCidr6, nodeCidr6: nodes?.v6 ?? chosen.nodeCidr6 ?? nodesOfIpv6(nodeCidr) }),
  };
  if (JSON.stringify(ranges) !== JSON.stringify(kept)) keep(file, ranges);
  return ranges;
}

/** Pure: `10.244.0.0/16` or `10.244.0.0/16,fd00:10:244::/48`, as kube's --cluster-cidr. Throws `invalid`, `unsupported`. */
export function splitRanges(flag: string, text: string | undefined): { v4: string; v6?: string } | undefined {
  if (text === undefined) return undefined;
  const [v4 = "", v6, ...rest] = text.split(",").map((part) => part.trim());
  if (rest.length > 0) throw new GantryError("invalid", `${flag} "${text}": one range, or one of each family`);
  if (v4.includes(":"))
    throw new GantryError("unsupported", `${flag} "${text}": IPv6 alone or first is not supported; give IPv4,IPv6`);
  if (v6 === undefined) return { v4 };
  const [address = "", length = ""] = v6.split("/");
  if (!isIPv6(address) || !/^\d+$/.test(length) || Number(length) > 128)
    throw new GantryError("invalid", `${flag} "${text}": "${v6}" is not an IPv6 range such as fd00:10:244::/48`);
  return { v4, v6 };
}

function checkBoth(pods: string | undefined, services: string | undefined, nodes: string | undefined): void {
  const has = [pods, services].filter((range) => range !== undefined).length;
  if (has === 1)
    throw new GantryError("invalid", "--pod-cidr and --service-cidr must both have an IPv6 range, or neither");
  if (has === 0 && nodes !== undefined)
    throw new GantryError("invalid", "--node-cidr has an IPv6 range, --pod-cidr and --service-cidr have none");
  if (has === 2 && !existsSync("/proc/net/if_inet6"))
    throw new GantryError(
      "unsupported",
      `--pod-cidr ${pods}, --service-cidr ${services}: the kernel of this machine has no IPv6`,
    );
}

/** Pure: `10.245.0.0/24` → `fd00:10:245:0::/64`: unlike for roots whose IPv4 ranges differ. */
function nodesOfIpv6(nodeCidr: string): string {
  return `fd00:${nodeCidr.split(".").slice(0, 3).join(":")}::/64`;
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
