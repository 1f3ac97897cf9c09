/**
 * The name server of user-defined networks, as Docker's: it answers at 127.0.0.11 inside a container with the names of the
 * containers on its networks, and asks other servers for everything else, unless all of its networks are internal
 * (CVE-2024-29018).
 */
import type * as dns from "dns-packet";
import { inNetns } from "#linux/netns.ts";
import type { Logger } from "#base/logger.ts";
import type { Random } from "#base/random.ts";
import type { DnsForwarder } from "./dns-forwarder.ts";
import {
  encodeAnswer,
  openDnsSockets,
  serveDns,
  type Answerer,
  type DnsQuery,
  type DnsService,
} from "./dns-service.ts";
import { NAME_SERVER_ADDRESS, redirectNameServer } from "./names/redirect.ts";
import { resolveName, resolveReverse, type NamedNetwork } from "./names/zone.ts";

export { addressOfReverseName } from "./names/zone.ts";

/** Docker's own (moby, libnetwork/resolver.go: respTTL). */
const TTL_SECONDS = 600;

export interface NameServerOptions {
  /** A descriptor of the container's namespace. */
  readonly netns: number;
  /** The networks whose names resolve, as they are now. */
  readonly networks: () => readonly NamedNetwork[];
  /** Servers to ask for other names; none when nothing may leave. */
  readonly upstreams: () => readonly string[];
  readonly forwarder: DnsForwarder;
  readonly random: Random;
  readonly logger: Logger;
}

/** Opens the sockets inside the container and serves there until it is closed. Throws SyscallError. */
export function openNameServer(options: NameServerOptions): DnsService {
  const sockets = inNetns({ fd: options.netns }, () => {
    const opened = openDnsSockets({ address: NAME_SERVER_ADDRESS, port: 0 });
    redirectNameServer(opened.port);
    return opened;
  });
  return serveDns(sockets, answerer(options), options.logger);
}

/** Apart from the sockets: what is answered. */
export function answerer(
  options: Pick<NameServerOptions, "networks" | "upstreams" | "forwarder" | "random">,
): Answerer {
  return async (query) => {
    const local = localAnswer(query, options.networks(), options.random);
    if (local) return local;
    const upstreams = options.upstreams();
    return upstreams.length === 0 ? undefined : options.forwarder.forward(query, upstreams);
  };
}

function localAnswer(query: DnsQuery, networks: readonly NamedNetwork[], random: Random): Buffer | undefined {
  const { name, type } = query;
  if (type === "A" || type === "AAAA") {
    const addresses = resolveName(networks, name, type === "A" ? 4 : 6);
    if (!addresses) return undefined;
    const answers = shuffled(addresses, random).map((data): dns.Answer => ({ type, name, ttl: TTL_SECONDS, data }));
    return encodeAnswer(query, { answers });
  }
  if (type !== "PTR") return undefined;
  const target = resolveReverse(networks, name);
  return target === undefined
    ? undefined
    : encodeAnswer(query, { answers: [{ type: "PTR", name, ttl: TTL_SECONDS, data: target }] });
}

/** Several containers of one name share the load. */
function shuffled(addresses: readonly string[], random: Random): string[] {
  return addresses
    .map((address) => ({ address, at: random.next() }))
    .sort((a, b) => a.at - b.at)
    .map(({ address }) => address);
}
