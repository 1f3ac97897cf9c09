/** One name server for each container that is on a network with names. */
import type { Clock } from "#base/clock.ts";
import { errorText } from "#base/errors.ts";
import type { Logger } from "#base/logger.ts";
import type { Random } from "#base/random.ts";
import { dnsForwarder } from "../dns-forwarder.ts";
import type { DnsService } from "../dns-service.ts";
import { openNameServer } from "../name-server.ts";
import type { StoredEndpoint } from "../state/network-files.ts";
import type { NamedNetwork } from "./zone.ts";

/** A network as names see it. */
export interface NameNetwork extends NamedNetwork {
  readonly id: string;
  readonly internal: boolean;
  /** User-defined: its names resolve. */
  readonly named: boolean;
}

export interface NameServers {
  /** An endpoint has come: its container gets a server when it needs one and has none. Never throws. */
  join(endpoint: StoredEndpoint, netns: number): void;
  /** An endpoint has gone. */
  leave(endpoint: StoredEndpoint): void;
  close(): void;
}

export interface NameServersOptions {
  /** The networks that a container is on, as they are now. */
  readonly networksOf: (owner: string) => readonly NameNetwork[];
  readonly endpointsOf: (owner: string) => readonly StoredEndpoint[];
  readonly hostServers: () => readonly string[];
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

export function nameServers(options: NameServersOptions): NameServers {
  const { networksOf, endpointsOf, hostServers, clock, random, logger } = options;
  const forwarder = dnsForwarder({ clock, random });
  const services = new Map<string, DnsService>();
  const upstreams = (owner: string): readonly string[] => {
    if (networksOf(owner).every(({ internal }) => internal)) return [];
    const own = endpointsOf(owner).flatMap(({ dns }) => dns);
    return own.length > 0 ? own : hostServers();
  };
  return {
    join({ owner }, netns) {
      if (services.has(owner) || !networksOf(owner).some(({ named }) => named)) return;
      try {
        const service = openNameServer({
          netns,
          networks: () => networksOf(owner).filter(({ named }) => named),
          upstreams: () => upstreams(owner),
          forwarder,
          random,
          logger,
        });
        services.set(owner, service);
      } catch (error) {
        // The container runs all the same: names do not resolve, and the log says why.
        logger.error({ owner, error: errorText(error) }, "could not start a container's name server");
      }
    },
    leave({ owner }) {
      if (networksOf(owner).some(({ named }) => named)) return;
      services.get(owner)?.close();
      services.delete(owner);
    },
    close() {
      for (const service of services.values()) service.close();
      services.clear();
    },
  };
}
