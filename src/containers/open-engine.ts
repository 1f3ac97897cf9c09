import { mkdirSync } from "node:fs";
import type { Readable } from "node:stream";
import { systemClock, type Clock } from "#base/clock.ts";
import { errorText, GantryError } from "#base/errors.ts";
import { silentLogger, type Logger } from "#base/logger.ts";
import { systemRandom, type Random } from "#base/random.ts";
import { keyedSerial } from "#base/serial.ts";
import type { ImageStore, ImageUser } from "#images/image-store.ts";
import { createCgroup, openCgroup } from "#linux/cgroups.ts";
import { connectShim, startShim } from "#linux/shim.ts";
import type { Networks } from "#network/networks.ts";
import type { Engine, LogOptions, UserNamespaceMaps } from "./engine.ts";
import { eventLog } from "./events/event-log.ts";
import { execs } from "./exec/exec.ts";
import { execStore, type ExecStore } from "./exec/exec-store.ts";
import { probe } from "./health/probe.ts";
import { stopHealth } from "./health/watch-health.ts";
import { attachContainer, logSource } from "./lifecycle/attach.ts";
import { connectContainer, disconnectContainer } from "./lifecycle/connect.ts";
import { containerEvent, type EngineContext } from "./lifecycle/context.ts";
import { createContainer } from "./lifecycle/create.ts";
import { INIT, notRunning, shimOf, type Entry } from "./lifecycle/entry.ts";
import { volumesOf } from "./lifecycle/prepare-mounts.ts";
import { imageMountsOf } from "./lifecycle/image-mounts.ts";
import { pauseContainer, unpauseContainer } from "./lifecycle/pause.ts";
import { placesIn } from "./lifecycle/places.ts";
import { noSuchContainer, registry, type Registry } from "./lifecycle/registry.ts";
import { removeContainer } from "./lifecycle/remove.ts";
import { renameContainer } from "./lifecycle/rename.ts";
import { restore, startByPolicy } from "./lifecycle/restore.ts";
import { startContainer } from "./lifecycle/start.ts";
import { isRest, isUp } from "./lifecycle/state.ts";
import { killContainer, restartContainer, stopAll, stopContainer } from "./lifecycle/stop.ts";
import { updateContainer } from "./lifecycle/update.ts";
import { waitContainer } from "./lifecycle/wait.ts";
import { readLogs } from "./logs/read-logs.ts";
import { defaultSeccomp } from "./plan/default-seccomp.ts";
import { containerStats } from "./stats/stats.ts";
import { openVolumes } from "./volumes/volume-store.ts";

export interface EngineDeps {
  /** `containers/` and `volumes/` are kept below it; made 0710. */
  readonly dataDir: string;
  /** `shims/`, `shm/` and `helpers/` are kept below it. */
  readonly runDir: string;
  readonly images: ImageStore;
  readonly networks: Networks;
  /** For containers that do not ask for the host's users. */
  readonly userNamespace?: UserNamespaceMaps;
  readonly clock?: Clock;
  readonly random?: Random;
  readonly logger?: Logger;
}

/**
 * Opens the engine: takes up the containers that run, tells what ended meanwhile, finishes what was cut short, and starts by their policy
 * those that are down. Resolves when all that runs is known; starts by policy go on after it.
 */
export async function openEngine(deps: EngineDeps): Promise<Engine> {
  const { context, store } = await makeContext(deps);
  await restore(context);
  const live = Array.from(context.registry.entries()).filter(({ run }) => run !== undefined);
  await deps.networks.reconcile(new Set(live.map(({ id }) => id)));
  deps.images.setUsers((imageId) => imageUsers(context, imageId));
  context.opened.resolve();
  startByPolicy(context);
  return { ...engineOf(context, store), ...(deps.userNamespace && { userNamespace: deps.userNamespace }) };
}

async function makeContext(deps: EngineDeps): Promise<{ context: EngineContext; store: ExecStore }> {
  const { clock = systemClock, random = systemRandom, logger = silentLogger, images, networks } = deps;
  const places = placesIn(deps.dataDir, deps.runDir);
  for (const directory of [places.containers, places.shims]) mkdirSync(directory, { recursive: true, mode: 0o710 });
  const events = eventLog(clock, (error) => logger.error({ error: errorText(error) }, "an event listener failed"));
  const containers = registry(places, random);
  const volumes = await openVolumes({
    root: places.volumes,
    clock,
    random,
    logger,
    events,
    users: (name) => volumeUsers(containers, name),
  });
  const store = execStore(({ id, entry }, code) =>
    containerEvent({ events }, entry, "exec_die", { execID: id, exitCode: String(code) }),
  );
  const context: EngineContext = {
    places,
    registry: containers,
    serial: keyedSerial(),
    images,
    networks,
    volumes,
    events,
    shims: { start: startShim, connect: connectShim },
    defaultSeccomp,
    clock,
    random,
    logger,
    phase: { current: "running" },
    opened: Promise.withResolvers(),
    execs: store,
    probe: (entry, plan, signal) => probe(execs(context, store), clock, entry, plan, signal),
  };
  return { context, store };
}

function volumeUsers(containers: Registry, name: string): { all: string[]; running: string[] } {
  const users = Array.from(containers.entries()).filter(
    (entry) => entry.record.state.status !== "removing" && volumesOf(entry).includes(name),
  );
  return {
    all: users.map(({ id }) => id),
    running: users.filter(({ record }) => !isRest(record.state)).map(({ id }) => id),
  };
}

function imageUsers({ registry: containers }: EngineContext, imageId: string): ImageUser[] {
  return Array.from(containers.entries())
    .filter(
      ({ record: { config } }) =>
        config.imageId === imageId || imageMountsOf(config).some(({ mount }) => mount.imageId === imageId),
    )
    .map(({ id, record }) => ({ containerId: id, running: isUp(record.state) }));
}

function engineOf(context: EngineContext, store: ExecStore): Engine {
  const containers = context.registry;
  const exec = execs(context, store);
  const get: Engine["get"] = (reference) => {
    const entry = containers.find(reference);
    if (entry) return containers.view(entry);
    throw noSuchContainer(reference);
  };
  return {
    create: (config) => createContainer(context, config),
    start: (id) => startContainer(context, id),
    stop: (id, options) => stopContainer(context, id, options),
    restart: (id, options) => restartContainer(context, id, options),
    kill: (id, signal) => killContainer(context, id, signal),
    pause: (id) => pauseContainer(context, id),
    unpause: (id) => unpauseContainer(context, id),
    rename: (id, name) => renameContainer(context, id, name),
    update: (id, change) => updateContainer(context, id, change),
    connect: (id, attachment) => connectContainer(context, id, attachment),
    disconnect: (id, network, force) => disconnectContainer(context, id, network, force),
    remove: (id, options) => removeContainer(context, id, options),
    get,
    find(reference) {
      const entry = containers.find(reference);
      return entry && containers.view(entry);
    },
    list: containers.list,
    wait: async (id, condition, signal) => waitContainer(context, id, condition, signal),
    logs: async (id, options) => containerLogs(context, id, options),
    attach: (id, options) => attachContainer(context, id, options),
    resize: async (id, rows, columns) => shimOf(containers.entry(id)).resize(INIT, rows, columns),
    createExec: async (id, config) => exec.create(id, config),
    exec: exec.get,
    startExec: async (id, options) => exec.start(id, options),
    resizeExec: exec.resize,
    waitExec: async (id) => exec.wait(id),
    stats: async (id) => containerStats(context, containers.entry(id)),
    processes: async (id) => processesOf(containers.entry(id)),
    events: context.events.listen,
    pastEvents: context.events.past,
    setCgroupParent: async (path, resources) => void createCgroup(path, resources),
    removeCgroupParent: (path) => openCgroup(path).remove(),
    volumes: context.volumes,
    stopAll: (longestSeconds) => stopAll(context, longestSeconds),
    close: async () => closeEngine(context),
  };
}

function containerLogs(context: EngineContext, id: string, options: LogOptions): Readable {
  const entry = context.registry.entry(id);
  if (entry.record.config.log.driver === "none")
    throw new GantryError("unsupported", "configured logging driver does not support reading", { id });
  return readLogs(logSource(context, entry, options.follow), options);
}

function processesOf({ id, run }: Entry): readonly number[] {
  if (!run) throw notRunning(id);
  return run.cgroup.pids();
}

/** Lets go of everything; containers run on, and are taken up by the next engine. */
function closeEngine({ phase, registry: containers }: EngineContext): void {
  phase.current = "closed";
  for (const entry of containers.entries()) {
    entry.cancelRestart?.();
    stopHealth(entry);
    entry.run?.shim?.disconnect();
  }
}
