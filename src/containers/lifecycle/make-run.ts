import { mkdirSync, rmSync } from "node:fs";
import { rm } from "node:fs/promises";
import { createCgroup, type Cgroup } from "#linux/cgroups.ts";
import type { LaunchPlan } from "#linux/launch-plan.ts";
import type { ProcessIo, Shim, ShimProcess } from "#linux/shim.ts";
import { planLaunch } from "../launch.ts";
import { logAttributes } from "../logs/log-attributes.ts";
import { buildSpec, deviceRules } from "../spec/build-spec.ts";
import type { EngineContext } from "./context.ts";
import { INIT, type Entry, type Run } from "./entry.ts";
import { startFacts } from "./facts.ts";
import { joinedNamespaces } from "./joins.ts";
import { checkLinks } from "./links.ts";
import { prepareNameFiles, updateLinkedNameFiles } from "./name-files.ts";
import { plugAll, unplugAll } from "./plug.ts";
import { deactivateVolumes, prepareMounts, subpathsOf, volumeEvents } from "./prepare-mounts.ts";
import { mountSharedMemory, unmountSharedMemory } from "./shared-memory.ts";
import { abandonShim } from "./shim-end.ts";
import { supervise } from "./supervise.ts";
import type { Undo } from "./undo.ts";

/**
 * Makes everything that a run needs and has the container's process executed. The shim starts while its plan is made, and the network is
 * plugged in while the process makes its mounts.
 */
export async function makeRun(
  context: EngineContext,
  entry: Entry,
  undo: Undo,
): Promise<{ run: Run; init: ShimProcess }> {
  const starting = startShim(context, entry, undo);
  let prepared: { cgroup: Cgroup; plan: LaunchPlan };
  try {
    prepared = await prepare(context, entry, undo);
  } catch (error) {
    // The shim has to be there before it can be let go of; its own failure matters no more.
    (await starting.catch(() => undefined))?.disconnect();
    throw error;
  }
  const shim = await starting;
  const { cgroup, plan } = prepared;
  const run: Run = { shim, cgroup, hasExecs: false, ended: Promise.withResolvers(), stopHealth: undefined };
  undo.add(() => abandonShim(run));
  undo.add(supervise(context, entry, run, shim));
  return { run, init: await execute(context, entry, { shim, undo, plan }) };
}

async function startShim(context: EngineContext, entry: Entry, undo: Undo): Promise<Shim> {
  const directory = context.places.shim(entry.id);
  undo.add(() => rm(directory, { recursive: true, force: true }));
  // What an earlier shim left there is of no use any more.
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { mode: 0o700 });
  return context.shims.start(directory);
}

async function prepare(
  context: EngineContext,
  entry: Entry,
  undo: Undo,
): Promise<{ cgroup: Cgroup; plan: LaunchPlan }> {
  const { config } = entry.record;
  checkLinks(context, entry);
  const joined = joinedNamespaces(context, entry);
  undo.add(() => deactivateVolumes(context, entry));
  const mounts = await prepareMounts(context, entry);
  undo.add(() => volumeEvents(context, entry, "unmount"));
  volumeEvents(context, entry, "mount");
  const nameFiles = prepareNameFiles(context, entry);
  undo.add(() => unmountSharedMemory(context, entry.id));
  mountSharedMemory(context, entry);
  const facts = startFacts(context, entry, { joined, nameFiles, mounts });
  const resources = { ...config.resources, devices: deviceRules(config, facts.devices) };
  const cgroup = createCgroup(`${config.cgroupParent}/${entry.id}`, resources);
  undo.add(() => cgroup.remove());
  const root = context.images.snapshot(entry.id)?.mount;
  const plan = planLaunch(buildSpec(config, facts), {
    ...(root && { root }),
    cgroup,
    id: entry.id,
    pause: waitsBeforeExec(entry) ? "notify" : "none",
    init: config.init ?? false,
    sandbox: config.imageId === undefined,
    subpaths: subpathsOf(entry),
  });
  return { cgroup, plan };
}

const isNetworked = ({ record: { config } }: Entry): boolean =>
  config.namespaces.network.kind === "new" && config.networks.length > 0;

/** Something has to be in place before the process is executed: its networks, or those who want all of its output. */
const waitsBeforeExec = (entry: Entry): boolean => isNetworked(entry) || entry.waiting.size > 0;

async function execute(
  context: EngineContext,
  entry: Entry,
  { shim, undo, plan }: { shim: Shim; undo: Undo; plan: LaunchPlan },
): Promise<ShimProcess> {
  const paused = waitsBeforeExec(entry);
  const plugging = isNetworked(entry) ? plugWhenTold(context, entry, shim, undo) : undefined;
  try {
    const [init] = await Promise.all([shim.spawn(INIT, plan, processIo(context, entry)), plugging?.done]);
    if (paused) {
      await connectWaiting(entry, shim);
      await shim.resume(INIT);
    }
    return init;
  } catch (error) {
    await plugging?.settled();
    throw error;
  }
}

interface Plugging {
  readonly done: Promise<void>;
  /** Waits for what is under way; a plan that failed early never tells of its namespaces. */
  settled(): Promise<void>;
}

/** Plugs the container into its networks as soon as its namespaces exist. */
function plugWhenTold(context: EngineContext, entry: Entry, shim: Shim, undo: Undo): Plugging {
  const told = Promise.withResolvers<void>();
  let working: Promise<void> | undefined;
  undo.add(() => unplugAll(context, entry));
  const stop = shim.events.on((event) => {
    if (event.kind !== "notify" || event.id !== INIT) return;
    stop();
    working = plugAll(context, entry, event.pid).then(() => updateLinkedNameFiles(context, entry));
    working.then(told.resolve, told.reject);
  });
  return {
    done: told.promise,
    async settled() {
      stop();
      await working?.catch(() => undefined);
    },
  };
}

/** Attachers that came before the start see everything: they are connected while the process waits. */
async function connectWaiting(entry: Entry, shim: Shim): Promise<void> {
  const waiting = Array.from(entry.waiting);
  entry.waiting.clear();
  await Promise.all(waiting.map((attacher) => attacher.connect(shim)));
}

function processIo({ places }: EngineContext, entry: Entry): ProcessIo {
  const { id, record } = entry;
  const { terminal, terminalSize = { rows: 0, columns: 0 }, stdin, log } = record.config;
  return {
    ...(terminal && { terminal: terminalSize }),
    stdin,
    ...(log.driver !== "none" && { log: logFile(places.log(id), entry) }),
  };
}

function logFile(path: string, { id, record }: Entry): NonNullable<ProcessIo["log"]> {
  const { log, image, imageId = "", args } = record.config;
  const facts = { id, name: record.name, image, imageId, command: args.join(" "), daemon: "gantry" };
  const attributes = logAttributes(log, facts);
  return {
    path,
    maxBytes: log.maxBytes,
    maxFiles: log.maxFiles,
    ...(attributes !== undefined && { attributes }),
  };
}
