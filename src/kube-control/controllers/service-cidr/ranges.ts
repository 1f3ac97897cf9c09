import { BlockList, isIP } from "node:net";

/** Whether the range `10.96.0.0/12` holds an address. False for what is no range. */
export function rangeHolds(cidr: string, address: string): boolean {
  const [base = "", length = ""] = cidr.split("/");
  const family = isIP(base);
  if (family === 0 || isIP(address) !== family || length === "") return false;
  const list = new BlockList();
  list.addSubnet(base, Number(length), family === 4 ? "ipv4" : "ipv6");
  return list.check(address, family === 4 ? "ipv4" : "ipv6");
}

/** Whether all of `inner` lies in `outer`. */
export function rangeWithin(inner: string, outer: string): boolean {
  const [base = "", length = ""] = inner.split("/");
  return rangeHolds(outer, base) && Number(length) >= Number(outer.split("/")[1]);
}
