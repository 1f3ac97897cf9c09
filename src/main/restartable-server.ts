import type { Clock } from "#base/clock.ts";
import type { Random } from "#base/random.ts";
import { faultyService, type FaultRates, type FaultyService } from "#kube-api/faults.ts";
import { createApiServer, type ApiServer, type ApiServerOptions } from "#kube-api/server.ts";
import type { LocalServer } from "#kube-api/local-client.ts";

export interface RestartableOptions extends ApiServerOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly rates: FaultRates;
  /** Called with each server before it serves. */
  readonly prepare: (server: ApiServer) => void;
}

/** An API server that can be another one of the same store after a moment, as in a crash and restart of the process. */
export interface RestartableServer {
  /** For clients: always the server that there is. */
  readonly local: LocalServer;
  readonly current: ApiServer;
  readonly faults: FaultyService;
  listen(host: string, port: number): Promise<number>;
  /** Every watch and connection ends, and what was only in the server's memory is gone. */
  restart(): Promise<void>;
  close(): Promise<void>;
}

export async function restartableServer(options: RestartableOptions): Promise<RestartableServer> {
  const { rates, random, clock, prepare } = options;
  let faults: FaultyService | undefined;
  let current: ApiServer | undefined;
  let restarting: Promise<void> | undefined;
  let where: { readonly host: string; readonly port: number } | undefined;
  let isClosed = false;
  const make = async (certificates: ApiServerOptions["certificates"]): Promise<ApiServer> => {
    const server = createApiServer({
      ...options,
      ...(certificates ? { certificates } : {}),
      aroundService: (service) => (faults = faultyService(service, rates, random, clock, faults)),
    });
    prepare(server);
    await server.start();
    return server;
  };
  const present = (): ApiServer => {
    if (!current) throw new Error("the API server is not there yet");
    return current;
  };
  const facade = (): FaultyService => {
    if (!faults) throw new Error("the API server is not there yet");
    return faults;
  };
  current = await make(options.certificates);
  return {
    local: {
      get service() {
        return facade();
      },
      get resources() {
        return present().resources;
      },
    },
    get current() {
      return present();
    },
    get faults() {
      return facade();
    },
    async listen(host, port) {
      const listener = await present().listen({ host, port });
      where = { host, port: listener.port };
      return listener.port;
    },
    restart() {
      restarting ??= (async () => {
        const last = present();
        facade().endWatches();
        await last.close();
        if (!isClosed) current = await make(last.certificates);
        if (where && !isClosed) await present().listen(where);
        restarting = undefined;
      })();
      return restarting;
    },
    async close() {
      isClosed = true;
      await restarting;
      await present().close();
    },
  };
}
