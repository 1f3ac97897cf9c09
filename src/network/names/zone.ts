/** What the names on a container's networks resolve to. Pure. */
import { addressText } from "#linux/rtnetlink.ts";
import type { StoredEndpoint } from "../state/network-files.ts";

export interface NamedNetwork {
  readonly name: string;
  readonly endpoints: readonly StoredEndpoint[];
}

export type Family = 4 | 6;

/** Names are compared as DNS does (RFC 4343), without the final dot. */
function canonical(name: string): string {
  return name.toLowerCase().replace(/\.$/, "");
}

/** The names of an endpoint: its container's name, its aliases, and the container's short id. */
function namesOf({ name, aliases, owner }: StoredEndpoint): string[] {
  return [name, ...aliases, owner.slice(0, 12)].map(canonical);
}

/**
 * Addresses of `name`, or `name.network`, on the networks; undefined when nobody has the name, empty when whoever has it has
 * no address of that family.
 */
export function resolveName(
  networks: readonly NamedNetwork[],
  name: string,
  family: Family,
): readonly string[] | undefined {
  const wanted = canonical(name);
  const found = networks.flatMap((network) =>
    network.endpoints.filter((endpoint) =>
      namesOf(endpoint).some((own) => own === wanted || `${own}.${canonical(network.name)}` === wanted),
    ),
  );
  if (found.length === 0) return undefined;
  return Array.from(
    new Set(found.map(({ ipv4, ipv6 }) => (family === 4 ? ipv4 : ipv6)).filter((address) => address !== "")),
  );
}

/** `container.network` for the name of a reverse lookup (`2.0.18.172.in-addr.arpa`); undefined for foreign addresses. */
export function resolveReverse(networks: readonly NamedNetwork[], name: string): string | undefined {
  const address = addressOfReverseName(canonical(name));
  if (address === undefined) return undefined;
  for (const network of networks) {
    const found = network.endpoints.find(({ ipv4, ipv6 }) => address === ipv4 || address === ipv6);
    if (found) return `${found.name}.${network.name}`;
  }
  return undefined;
}

/** The address that a reverse name stands for (RFC 1035, section 3.5; RFC 3596, section 2.5), as RFC 5952 writes it. */
export function addressOfReverseName(name: string): string | undefined {
  const [, v4] = /^((?:\d{1,3}\.){4})in-addr\.arpa$/.exec(name) ?? [];
  if (v4 !== undefined) return v4.split(".").filter(Boolean).reverse().join(".");
  const [, v6] = /^((?:[0-9a-f]\.){32})ip6\.arpa$/.exec(name) ?? [];
  if (v6 === undefined) return undefined;
  return addressText(Buffer.from(v6.split(".").filter(Boolean).reverse().join(""), "hex"));
}
