import { BlockList, isIP } from "node:net";

/** Addresses that are the API server's own, or of its link alone: what a proxy never dials (CVE-2020-8562, CVE-2022-3294). */
const refused = new BlockList();
refused.addSubnet("0.0.0.0", 8);
refused.addSubnet("127.0.0.0", 8);
refused.addSubnet("169.254.0.0", 16);
refused.addSubnet("224.0.0.0", 4);
refused.addAddress("255.255.255.255");
refused.addAddress("::", "ipv6");
refused.addAddress("::1", "ipv6");
refused.addSubnet("fe80::", 10, "ipv6");
refused.addSubnet("ff00::", 8, "ipv6");

/** Whether a proxy may dial this: an address, never a name, so that what is checked is what is dialled. */
export function isProxyable(address: string): boolean {
  const family = isIP(address);
  if (family === 0) return false;
  // IPv4 in IPv6's clothes is found by the list, too.
  return !refused.check(address, family === 4 ? "ipv4" : "ipv6");
}
