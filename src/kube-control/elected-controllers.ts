import { runLeaderElection } from "#kube-client/leader-election.ts";
import { eventRecorder } from "#kube-client/events.ts";
import { startControllers, type Controllers, type ControllersOptions } from "./controllers.ts";

export interface ElectedControllersOptions extends ControllersOptions {
  /** Who this server is: unique among those that share an API. */
  readonly identity: string;
  /** The Lease that is fought for; kube-controller-manager's by default. */
  readonly lease?: { readonly namespace: string; readonly name: string };
}

export interface ElectedControllers {
  readonly leading: boolean;
  /** Names of the controllers that have something queued or at work. */
  busy(): string[];
  /** Stops what runs and hands the lease back. */
  stop(): Promise<void>;
}

const LEASE = { namespace: "kube-system", name: "kube-controller-manager" };

/**
 * Controllers that run on one of several servers at a time. One that loses its lease stops its controllers and stands again; the next
 * begins when the lease is over, or at once when it was handed back.
 */
export function startElectedControllers(options: ElectedControllersOptions): ElectedControllers {
  const { client, clock, logger, random, identity, lease = LEASE } = options;
  const events = eventRecorder({ client, clock, logger, component: identity });
  const ending = new AbortController();
  let running: Controllers | undefined;
  const lead = async (lost: AbortSignal): Promise<void> => {
    running = startControllers(options);
    running.started.catch((error: unknown) => logger.error({ error: String(error) }, "controllers not started"));
    await fired(lost);
    await running.stop();
    running = undefined;
  };
  const stand = async (): Promise<void> => {
    while (!ending.signal.aborted)
      await runLeaderElection({
        client,
        clock,
        logger,
        identity,
        ...lease,
        lead,
        events,
        signal: ending.signal,
        ...(random ? { random } : {}),
      });
  };
  const standing = stand();
  return {
    get leading() {
      return running !== undefined;
    },
    busy: () => running?.busy() ?? [],
    async stop() {
      ending.abort();
      await standing;
      events.stop();
    },
  };
}

function fired(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
