// A cluster on virtual time whose control plane lives behind a faulty network and is restarted now and then; nodes and the API itself are sound.
import { virtualClock, type VirtualClock } from "../../../src/base/clock.ts";
import { silentLogger } from "../../../src/base/logger.ts";
import { seededRandom, type Random } from "../../../src/base/random.ts";
import { startControllers } from "../../../src/kube-control/controllers.ts";
import { startScheduler } from "../../../src/kube-control/scheduler.ts";
import { createCluster, type Cluster } from "../../../src/main/create-cluster.ts";
import { faultyClient, type Faults } from "./faulty-client.ts";
import { observedClient, type ObservedClient, type Write } from "./observed-client.ts";
import { settle } from "./virtual-time.ts";

export interface SimulationOptions {
  readonly seed: number;
  readonly faults?: Faults;
  /** Chance of a restart of the control plane after a step. */
  readonly restarts?: number;
  readonly nodes?: number;
  readonly controllers: readonly string[];
  /** The control plane ends after its write of this number (from 1), as if killed, and is started anew. */
  readonly crashAtWrite?: number;
  /** Told of every write of the control plane. */
  readonly onWrite?: (write: Write, nowMs: number) => void;
}

export interface Simulation {
  /** Sound: its client and informers show what is. */
  readonly cluster: Cluster;
  readonly clock: VirtualClock;
  readonly random: Random;
  /** Lets up to `ms` pass, restarting the control plane at random moments. */
  pass(ms: number): Promise<void>;
  /** Ends the faults and waits until `check` holds. */
  calm(what: string, check: () => boolean): Promise<void>;
  close(): Promise<void>;
  /** Writes of the control plane so far; events about objects do not count. */
  writes(): number;
}

interface ControlPlane {
  stop(): Promise<void>;
}

const CALM_LIMIT_MS = 3_600_000;

export async function simulate(options: SimulationOptions): Promise<Simulation> {
  const clock = virtualClock();
  const random = seededRandom(options.seed);
  const cluster = await createCluster({ clock, random, nodes: options.nodes ?? 3, scheduler: false, controllers: [] });
  let disturbed = options.faults !== undefined;
  let writes = 0;
  let dead = false;
  const onWrite = (write: Write, self: ObservedClient): void => {
    if (write.resource === "events") return;
    writes++;
    options.onWrite?.(write, clock.now());
    if (writes !== options.crashAtWrite) return;
    dead = true;
    self.die();
  };
  const start = (): ControlPlane => {
    dead = false;
    const observed = observedClient(cluster.client, onWrite);
    const client = options.faults ? faultyClient(observed, clock, random, options.faults, () => disturbed) : observed;
    const parts = { client, discovery: cluster.discovery, clock, random, logger: silentLogger };
    const scheduler = startScheduler(parts);
    const controllers = startControllers({ ...parts, which: options.controllers });
    return { stop: async () => void (await Promise.all([scheduler.stop(), controllers.stop()])) };
  };
  let plane = start();
  /** Time has to pass for what is under way to end. */
  const stopPlane = async (): Promise<void> => {
    let done = false;
    void plane.stop().then(() => (done = true));
    await settle(3);
    while (!done) await step(clock, 1000);
  };
  const restart = async (): Promise<void> => {
    await stopPlane();
    plane = start();
  };
  return {
    cluster,
    clock,
    random,
    async pass(ms) {
      const end = clock.now() + ms;
      while (clock.now() < end) {
        await step(clock, Math.min(end - clock.now(), 1 + Math.floor(random.next() * 500)));
        if (dead || (disturbed && random.next() < (options.restarts ?? 0))) await restart();
      }
    },
    async calm(what, check) {
      disturbed = false;
      const end = clock.now() + CALM_LIMIT_MS;
      for (;;) {
        await settle();
        if (dead) await restart();
        else if (check()) return;
        const next = clock.nextDeadline();
        if (next === undefined || next > end) throw new Error(`seed ${options.seed}: ${what} did not come about`);
        await clock.advance(Math.max(0, next - clock.now()));
      }
    },
    writes: () => writes,
    async close() {
      disturbed = false;
      await stopPlane();
      await cluster.close();
    },
  };
}

async function step(clock: VirtualClock, ms: number): Promise<void> {
  await settle(3);
  await clock.advance(ms);
  await settle(3);
}
