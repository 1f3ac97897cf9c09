import { GantryError } from "#base/errors.ts";
import type { NetworkAttachment } from "#containers/engine.ts";
import type { Network } from "#network/networks.ts";

/**
 * Addresses that a client chose go with subnets that it chose. Throws `invalid` with every fault, in Docker's words; `context` comes
 * before them.
 */
export function checkStaticAddresses(
  network: Network | undefined,
  { ipv4, ipv6 }: Pick<NetworkAttachment, "ipv4" | "ipv6">,
  context = "",
): void {
  if (!network || (ipv4 === undefined && ipv6 === undefined)) return;
  const faults: string[] = [];
  if (network.name === "bridge") faults.push("user specified IP address is supported on user defined networks only");
  const chosen = (family: 4 | 6): boolean =>
    (network.askedIpam ?? network.ipam).some(({ subnet }) => subnet.includes(":") === (family === 6));
  if ((ipv4 !== undefined && !chosen(4)) || (ipv6 !== undefined && !chosen(6)) || network.name === "bridge")
    faults.push("user specified IP address is supported only when connecting to networks with user configured subnets");
  if (faults.length === 0) return;
  const text = faults.length === 1 ? faults.join("") : faults.map((fault) => `* ${fault}`).join("\n");
  throw new GantryError("invalid", `${context}invalid endpoint settings:\n${text}`, { network: network.name });
}
