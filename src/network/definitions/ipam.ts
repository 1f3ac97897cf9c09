/** Checks a network's address ranges in Docker's words, and chooses what was left open. Pure. */
import { isIP } from "node:net";
import { GantryError } from "#base/errors.ts";
import type { Random } from "#base/random.ts";
import type { NetworkConfig } from "../networks.ts";
import { defaultGateway } from "../addresses/address-pool.ts";
import { chooseDefaultPool, chooseIpv6Pool } from "../addresses/default-pools.ts";
import {
  addressNumber,
  contains,
  overlaps,
  parseCidr,
  parsePrefix,
  prefixText,
  type Prefix,
} from "../addresses/prefix.ts";

type Range = NetworkConfig["ipam"][number];

/** Throws `invalid` with every fault, as moby's ValidateIPAM words them. */
export function checkRanges(ranges: readonly Range[], enableIPv6: boolean): void {
  const faults = ranges.flatMap((range) => rangeFaults(range, enableIPv6));
  const [only] = faults;
  if (only === undefined) return;
  const list = faults.length === 1 ? only : faults.map((fault) => `* ${fault}`).join("\n");
  throw new GantryError("invalid", `invalid network config:\n${list}`);
}

function rangeFaults(range: Range, enableIPv6: boolean): string[] {
  const subnet = parseCidr(range.subnet);
  if (!subnet) return [`invalid subnet ${range.subnet}: invalid CIDR block notation`];
  const { prefix } = subnet;
  if (prefix.family === 6 && !enableIPv6) return [];
  const faults: string[] = [];
  if (subnet.address !== prefix.base) faults.push(`invalid subnet ${range.subnet}: it should be ${prefixText(prefix)}`);
  if (range.ipRange) faults.push(...ipRangeFaults(range.ipRange, prefix));
  const gateway = range.gateway && addressFault(range.gateway, prefix);
  if (gateway) faults.push(`invalid gateway ${range.gateway}: ${gateway}`);
  for (const [name, address] of Object.entries(range.auxAddresses ?? {})) {
    const fault = addressFault(address, prefix);
    if (fault) faults.push(`invalid auxiliary address ${name}: ${fault}`);
  }
  return faults;
}

function ipRangeFaults(text: string, subnet: Prefix): string[] {
  const range = parseCidr(text);
  if (!range) return [`invalid ip-range ${text}: invalid CIDR block notation`];
  const { prefix } = range;
  if (prefix.family !== subnet.family)
    return [`invalid ip-range ${text}: parent subnet is an IPv${subnet.family} block`];
  const faults: string[] = [];
  if (prefix.length < subnet.length)
    faults.push(`invalid ip-range ${text}: CIDR block is bigger than its parent subnet ${prefixText(subnet)}`);
  if (range.address !== prefix.base) faults.push(`invalid ip-range ${text}: it should be ${prefixText(prefix)}`);
  if (!overlaps(prefix, subnet))
    faults.push(`invalid ip-range ${text}: parent subnet ${prefixText(subnet)} doesn't contain ip-range`);
  return faults;
}

function addressFault(address: string, subnet: Prefix): string | undefined {
  const family = isIP(address);
  if (family === 0) return "invalid address";
  if (family !== subnet.family) return `parent subnet is an IPv${subnet.family} block`;
  if (!contains(subnet, addressNumber(address), subnet.family))
    return `parent subnet ${prefixText(subnet)} doesn't contain this address`;
  return undefined;
}

/**
 * The network's ranges with subnet and gateway filled in: one of IPv4, and one of IPv6 when that is on. `taken` are the
 * other networks' ranges, `routed` what the host reaches elsewhere: default pools keep clear of both, explicit subnets of the
 * networks' only. Throws `forbidden` ("invalid pool request: Pool overlaps ...").
 */
export function resolveRanges(
  config: NetworkConfig,
  taken: readonly Prefix[],
  routed: readonly Prefix[],
  random: Random,
): NetworkConfig["ipam"] {
  checkRanges(config.ipam, config.enableIPv6);
  const ranges = config.ipam.filter(({ subnet }) => config.enableIPv6 || !subnet.includes(":"));
  for (const family of [4, 6]) {
    if (ranges.filter(({ subnet }) => parsePrefix(subnet).family === family).length > 1) {
      throw new GantryError("forbidden", "bridge driver doesn't support multiple subnets");
    }
  }
  for (const { subnet } of ranges) {
    if (taken.some((other) => overlaps(other, parsePrefix(subnet)))) {
      throw new GantryError("forbidden", "invalid pool request: Pool overlaps with other one on this address space");
    }
  }
  const resolved = [...ranges];
  if (!ranges.some(({ subnet }) => !subnet.includes(":"))) {
    resolved.unshift({ subnet: prefixText(chooseDefaultPool([...taken, ...routed])) });
  }
  if (config.enableIPv6 && !ranges.some(({ subnet }) => subnet.includes(":"))) {
    resolved.push({ subnet: prefixText(chooseIpv6Pool(random)) });
  }
  return resolved.map(withGateway);
}

function withGateway(range: Range): Range {
  if (range.gateway) return range;
  const subnet = parsePrefix(range.subnet);
  const inner = range.ipRange ? parsePrefix(range.ipRange) : undefined;
  return { ...range, gateway: defaultGateway(subnet, inner, Object.values(range.auxAddresses ?? {})) };
}
