/** Health check node ports: an outer load balancer asks each node whether it has endpoints of a service with external policy Local. */
import { createServer, type Server } from "node:http";
import { errorText } from "#base/errors.ts";
import type { Logger } from "#base/logger.ts";
import type { Service } from "#formats/kube-types.generated.ts";
import type { ServicePort } from "#network/service-rules.ts";

export interface HealthPorts {
  /** What a service asks for now; undefined: it is gone. */
  set(key: string, service: Service | undefined, ports: readonly ServicePort[]): void;
  close(): void;
}

/** Connections of one health port; load balancers have one each. */
const MOST_CONNECTIONS = 100;

interface Entry {
  readonly port: number;
  readonly server: Server;
  endpoints: number;
}

/** `listen` opens a port on every address of the node. */
export function healthPorts(listen: (port: number) => { readonly fd: number }, logger: Logger): HealthPorts {
  const entries = new Map<string, Entry>();
  const end = (key: string): void => {
    entries.get(key)?.server.close();
    entries.get(key)?.server.closeAllConnections();
    entries.delete(key);
  };
  const begin = (key: string, port: number): void => {
    const [namespace, name] = key.split("/");
    const server = createServer((_, response) => {
      const localEndpoints = entries.get(key)?.endpoints ?? 0;
      response.writeHead(localEndpoints > 0 ? 200 : 503, {
        "content-type": "application/json",
        "x-content-type-options": "nosniff",
        "x-load-balancing-endpoint-weight": String(localEndpoints),
      });
      response.end(`${JSON.stringify({ service: { namespace, name }, localEndpoints, serviceProxyHealthy: true })}\n`);
    });
    server.maxConnections = MOST_CONNECTIONS;
    server.on("error", (error) => logger.error({ service: key, error: errorText(error) }, "health check port"));
    try {
      server.listen({ fd: listen(port).fd });
      server.unref();
      entries.set(key, { port, server, endpoints: 0 });
    } catch (error) {
      logger.error({ service: key, port, error: errorText(error) }, "the health check port of a service cannot be had");
    }
  };
  return {
    set(key, service, ports) {
      const wanted = service?.spec?.healthCheckNodePort ?? 0;
      if (entries.has(key) && entries.get(key)?.port !== wanted) end(key);
      if (wanted !== 0 && !entries.has(key)) begin(key, wanted);
      const entry = entries.get(key);
      // The pods, not the ports that each of them serves.
      const local = ports.flatMap(({ localEndpoints = [] }) => localEndpoints.map(({ address }) => address));
      if (entry) entry.endpoints = new Set(local).size;
    },
    close() {
      for (const key of Array.from(entries.keys())) end(key);
    },
  };
}
