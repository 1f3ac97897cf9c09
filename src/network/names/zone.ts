/** What the names on a container's networks resolve to. Pure. */
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
  const address = reverseAddress(canonical(name));
  if (address === undefined) return undefined;
  for (const network of networks) {
    const found = network.endpoints.find(
      ({ ipv4, ipv6 }) => address === (address.includes(":") ? expandIpv6(ipv6) : ipv4),
    );
    if (found) return `${found.name}.${network.name}`;
  }
  return undefined;
}

/** The address in a reverse name; of IPv6, written out in full (32 digits, colons between groups). */
function reverseAddress(name: string): string | undefined {
  const [, v4] = /^((?:\d{1,3}\.){4})in-addr\.arpa$/.exec(name) ?? [];
  if (v4 !== undefined) return v4.split(".").filter(Boolean).reverse().join(".");
  const [, v6] = /^((?:[0-9a-f]\.){32})ip6\.arpa$/.exec(name) ?? [];
  if (v6 === undefined) return undefined;
  const digits = v6.split(".").filter(Boolean).reverse().join("");
  return digits.match(/.{4}/g)?.join(":");
}

function expandIpv6(address: string): string {
  const [head = "", tail] = address.split("::");
  const front = head === "" ? [] : head.split(":");
  const back = tail === undefined || tail === "" ? [] : tail.split(":");
  const middle = tail === undefined ? [] : Array.from({ length: 8 - front.length - back.length }, () => "0");
  return [...front, ...middle, ...back].map((group) => group.padStart(4, "0")).join(":");
}
