import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import { dirname, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { parse } from "yaml";
import { systemClock } from "#base/clock.ts";
import { errorText, GantryError } from "#base/errors.ts";
import { uuid } from "#base/ids.ts";
import type { SchedulerServing } from "#cli/scheduling-ports.ts";
import type { Credentials } from "#kube-client/credentials.ts";
import { httpsClient } from "#kube-client/https-client.ts";
import { inClusterCredentials } from "#kube-client/in-cluster.ts";
import { credentialsOf, kubeconfigPaths, readKubeconfigs } from "#kube-client/kubeconfig-file.ts";
import { runLeaderElection } from "#kube-client/leader-election.ts";
import { readSchedulerConfig, type SchedulerConfig } from "#kube-control/scheduler-config.ts";
import { startScheduler, type SchedulerOptions, type SchedulerPlugin } from "#kube-control/scheduler.ts";
import { createLogger } from "./logger.ts";

/** `gantry scheduler`: a scheduler of its own. Resolves with 0 when it was told to end, and with 1 when it lost the lead. */
export async function runScheduler(serving: SchedulerServing): Promise<number> {
  const logger = createLogger(serving.logLevel);
  const config = configOf(serving);
  const plugins = await loadPlugins(serving.plugins ?? []);
  const client = httpsClient(await credentialsFor(serving.kubeconfig ?? config.kubeconfig));
  // Timers alone do not hold the process, and a candidate only waits.
  const keepAlive = setInterval(() => undefined, 2 ** 31 - 1);
  const schedule = async (ending: AbortSignal): Promise<void> => {
    const names = config.profiles.map(({ schedulerName }) => schedulerName);
    const scheduler = startScheduler({
      client,
      logger,
      clock: systemClock,
      profiles: config.profiles,
      extenders: config.extenders,
      plugins,
      podInitialBackoffMs: config.podInitialBackoffMs,
      podMaxBackoffMs: config.podMaxBackoffMs,
    });
    await Promise.race([scheduler.started, aborted(ending)]);
    if (!ending.aborted) logger.info({ schedulers: names }, "scheduling");
    await aborted(ending);
    await scheduler.stop();
  };
  try {
    const { leaderElect, resourceName: name, resourceNamespace: namespace, ...timing } = config.leaderElection;
    if (leaderElect) {
      const identity = `${hostname()}_${uuid()}`;
      const { signal } = serving;
      const election = { client, clock: systemClock, logger, identity, namespace, name, signal, ...timing };
      logger.info({ lease: `${namespace}/${name}`, identity }, "waiting to be elected");
      await runLeaderElection({ ...election, lead: schedule });
    } else await schedule(serving.signal);
  } finally {
    clearInterval(keepAlive);
    client.close();
  }
  if (serving.signal.aborted) return 0;
  logger.error({}, "lost the lead");
  return 1;
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((done) => signal.addEventListener("abort", () => done(), { once: true }));
}

/** Every function that a module exports makes the plugin of its name. */
async function loadPlugins(paths: readonly string[]): Promise<NonNullable<SchedulerOptions["plugins"]>> {
  const plugins: Record<string, (args: object) => SchedulerPlugin> = {};
  for (const path of paths) {
    let module: Record<string, unknown>;
    try {
      module = (await import(pathToFileURL(path).href)) as Record<string, unknown>;
    } catch (error) {
      throw new GantryError("invalid", `--plugins ${path}: ${errorText(error)}`, {}, error);
    }
    for (const [name, make] of Object.entries(module)) {
      if (typeof make === "function") plugins[name] = make as (args: object) => SchedulerPlugin;
    }
  }
  return plugins;
}

async function credentialsFor(kubeconfig: string | undefined): Promise<Credentials> {
  if (kubeconfig !== undefined) return credentialsOf(await readKubeconfigs([kubeconfig]));
  if (process.env["KUBERNETES_SERVICE_HOST"]) return inClusterCredentials();
  const config = await readKubeconfigs(kubeconfigPaths());
  return config.currentContext === undefined ? inClusterCredentials() : credentialsOf(config);
}

/** The configuration file with the flags over it. */
function configOf(serving: SchedulerServing): SchedulerConfig {
  const file = serving.config === undefined ? undefined : readSchedulerConfigFile(serving.config);
  const config = file ?? readSchedulerConfig(EMPTY);
  const { leaderElect, leaderElectResourceName, leaderElectResourceNamespace } = serving;
  return {
    ...config,
    profiles: profilesOf(config, serving),
    leaderElection: {
      ...config.leaderElection,
      ...(leaderElect !== undefined && { leaderElect }),
      ...(leaderElectResourceName !== undefined && { resourceName: leaderElectResourceName }),
      ...(leaderElectResourceNamespace !== undefined && { resourceNamespace: leaderElectResourceNamespace }),
    },
  };
}

const EMPTY = { apiVersion: "kubescheduler.config.k8s.io/v1", kind: "KubeSchedulerConfiguration" };

function profilesOf({ profiles }: SchedulerConfig, { schedulerName }: SchedulerServing): SchedulerConfig["profiles"] {
  if (schedulerName === undefined) return profiles;
  const [only, ...others] = profiles;
  if (!only || others.length > 0) {
    throw new GantryError(
      "invalid",
      "--scheduler-name: the configuration has several profiles, each with its own name",
    );
  }
  return [{ ...only, schedulerName }];
}

/** Reads a KubeSchedulerConfiguration file; the files that it names are looked for beside it. */
export function readSchedulerConfigFile(path: string): SchedulerConfig {
  const read = (name: string): string => {
    try {
      return readFileSync(name, "utf8");
    } catch (error) {
      throw new GantryError("invalid", `cannot read ${name}: ${errorText(error)}`, {}, error);
    }
  };
  let document: unknown;
  try {
    document = parse(read(path));
  } catch (error) {
    if (error instanceof GantryError) throw error;
    throw new GantryError("invalid", `${path} is not YAML: ${errorText(error)}`, {}, error);
  }
  return readSchedulerConfig(document, (name) => read(resolve(dirname(path), name)));
}
