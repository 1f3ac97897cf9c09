import { readExtender } from "./scheduler/config/extenders.ts";
import { duration, fields, invalid, known, list, number, text } from "./scheduler/config/fields.ts";
import type { ExtenderConfig } from "./scheduler/extenders/extender.ts";
import {
  EXTENSION_POINTS,
  type ExtensionPoint,
  type PluginSet,
  type ProfileConfig,
} from "./scheduler/config/build-profile.ts";

/** A KubeSchedulerConfiguration (kubescheduler.config.k8s.io/v1), read and checked. */
export interface SchedulerConfig {
  readonly profiles: readonly ProfileConfig[];
  readonly extenders: readonly ExtenderConfig[];
  readonly podInitialBackoffMs: number;
  readonly podMaxBackoffMs: number;
  readonly leaderElection: LeaderElectionConfig;
  /** Where to find the API, when the configuration says. */
  readonly kubeconfig: string | undefined;
}

export interface LeaderElectionConfig {
  readonly leaderElect: boolean;
  readonly leaseDurationMs: number;
  readonly renewDeadlineMs: number;
  readonly retryPeriodMs: number;
  readonly resourceName: string;
  readonly resourceNamespace: string;
}

const API_VERSION = "kubescheduler.config.k8s.io/v1";
const FIELDS = [
  "apiVersion",
  "kind",
  "profiles",
  "podInitialBackoffSeconds",
  "podMaxBackoffSeconds",
  "leaderElection",
  "clientConnection",
  "percentageOfNodesToScore",
  "parallelism",
  "extenders",
  "enableProfiling",
  "enableContentionProfiling",
  "delayCacheUntilActive",
];
const DEFAULT_LEADER_ELECTION: LeaderElectionConfig = {
  leaderElect: true,
  leaseDurationMs: 15_000,
  renewDeadlineMs: 10_000,
  retryPeriodMs: 2000,
  resourceName: "kube-scheduler",
  resourceNamespace: "kube-system",
};

function noFiles(path: string): never {
  throw invalid(`${path}: files cannot be read here`);
}

/** Reads a configuration document; `readFile` gives the text of the files that it names (certificates). Throws `invalid` for what is wrong in it and `unsupported` for what Gantry's scheduler does not do, by field. */
export function readSchedulerConfig(document: unknown, readFile: (path: string) => string = noFiles): SchedulerConfig {
  const config = fields(document, "configuration");
  if (config["apiVersion"] !== API_VERSION || config["kind"] !== "KubeSchedulerConfiguration") {
    throw invalid(`apiVersion and kind must be ${API_VERSION}, KubeSchedulerConfiguration`);
  }
  known(config, FIELDS, "");
  const extenders = list(config["extenders"], "extenders").map((each, index) =>
    readExtender(each, `extenders[${index}]`, readFile),
  );
  if (extenders.filter(({ bindVerb }) => bindVerb !== "").length > 1) {
    throw invalid("extenders: only one extender can implement bind");
  }
  const percentage = number(config["percentageOfNodesToScore"], "percentageOfNodesToScore", 0);
  const profiles = list(config["profiles"] ?? [{}], "profiles").map((each, index) =>
    profile(each, `profiles[${index}]`, percentage),
  );
  const names = profiles.map(({ schedulerName }) => schedulerName);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw invalid(`profiles: schedulerName "${twice}" is there twice`);
  const initial = number(config["podInitialBackoffSeconds"], "podInitialBackoffSeconds", 1);
  const most = number(config["podMaxBackoffSeconds"], "podMaxBackoffSeconds", 10);
  if (initial <= 0) throw invalid("podInitialBackoffSeconds must be greater than 0");
  if (most < initial) throw invalid("podMaxBackoffSeconds must be greater than or equal to podInitialBackoffSeconds");
  const connection = fields(config["clientConnection"] ?? {}, "clientConnection");
  return {
    profiles,
    extenders,
    podInitialBackoffMs: initial * 1000,
    podMaxBackoffMs: most * 1000,
    leaderElection: leaderElection(config["leaderElection"]),
    kubeconfig: text(connection["kubeconfig"], "clientConnection.kubeconfig") || undefined,
  };
}

function profile(value: unknown, where: string, percentage: number): ProfileConfig {
  const entry = fields(value, where);
  known(entry, ["schedulerName", "plugins", "pluginConfig", "percentageOfNodesToScore"], where);
  const own = number(entry["percentageOfNodesToScore"], `${where}.percentageOfNodesToScore`, percentage);
  if (own < 0 || own > 100) throw invalid(`${where}.percentageOfNodesToScore: must be between 0 and 100`);
  const sets = fields(entry["plugins"] ?? {}, `${where}.plugins`);
  known(sets, [...EXTENSION_POINTS, "multiPoint"], `${where}.plugins`);
  const plugins: Partial<Record<ExtensionPoint | "multiPoint", PluginSet>> = {};
  for (const [point, set] of Object.entries(sets)) {
    plugins[point as ExtensionPoint | "multiPoint"] = pluginSet(set, `${where}.plugins.${point}`);
  }
  const pluginConfig: Record<string, object> = {};
  for (const [index, each] of list(entry["pluginConfig"], `${where}.pluginConfig`).entries()) {
    const { name, args } = fields(each, `${where}.pluginConfig[${index}]`);
    const plugin = text(name, `${where}.pluginConfig[${index}].name`);
    if (plugin in pluginConfig) throw invalid(`${where}.pluginConfig: "${plugin}" is there twice`);
    pluginConfig[plugin] = fields(args ?? {}, `${where}.pluginConfig[${index}].args`);
  }
  return {
    schedulerName: text(entry["schedulerName"], `${where}.schedulerName`) || "default-scheduler",
    ...(own > 0 && { percentageOfNodesToScore: own }),
    plugins,
    pluginConfig,
  };
}

function pluginSet(value: unknown, where: string): PluginSet {
  const set = fields(value, where);
  known(set, ["enabled", "disabled"], where);
  const read = (which: "enabled" | "disabled") =>
    list(set[which], `${where}.${which}`).map((each, index) => {
      const at = `${where}.${which}[${index}]`;
      const { name, weight } = fields(each, at);
      return { name: text(name, `${at}.name`), weight: number(weight, `${at}.weight`, 0) };
    });
  return { enabled: read("enabled"), disabled: read("disabled") };
}

function leaderElection(value: unknown): LeaderElectionConfig {
  const given = fields(value ?? {}, "leaderElection");
  known(
    given,
    [
      "leaderElect",
      "leaseDuration",
      "renewDeadline",
      "retryPeriod",
      "resourceLock",
      "resourceName",
      "resourceNamespace",
    ],
    "leaderElection",
  );
  const lock = text(given["resourceLock"], "leaderElection.resourceLock");
  if (lock !== "" && lock !== "leases") throw invalid(`leaderElection.resourceLock: must be leases, not ${lock}`);
  const base = DEFAULT_LEADER_ELECTION;
  return {
    leaderElect: given["leaderElect"] === undefined ? base.leaderElect : given["leaderElect"] === true,
    leaseDurationMs: duration(given["leaseDuration"], "leaderElection.leaseDuration", base.leaseDurationMs),
    renewDeadlineMs: duration(given["renewDeadline"], "leaderElection.renewDeadline", base.renewDeadlineMs),
    retryPeriodMs: duration(given["retryPeriod"], "leaderElection.retryPeriod", base.retryPeriodMs),
    resourceName: text(given["resourceName"], "leaderElection.resourceName") || base.resourceName,
    resourceNamespace: text(given["resourceNamespace"], "leaderElection.resourceNamespace") || base.resourceNamespace,
  };
}
