import { GantryError } from "#base/errors.ts";

type Fields = Readonly<Record<string, unknown>>;

/** What is wrong with a field of a plugin's arguments is told by its path. */
interface Check {
  (args: Fields, at: (field: string) => string): void;
}

/** The arguments that each plugin takes (kubescheduler.config.k8s.io/v1, *Args), with their checks. */
const CHECKS: Readonly<Record<string, { readonly fields: readonly string[]; readonly check: Check }>> = {
  NodeAffinity: { fields: ["addedAffinity"], check: checkAddedAffinity },
  NodeResourcesFit: { fields: ["ignoredResources", "ignoredResourceGroups", "scoringStrategy"], check: checkFit },
  NodeResourcesBalancedAllocation: { fields: ["resources"], check: checkBalanced },
  PodTopologySpread: { fields: ["defaultConstraints", "defaultingType"], check: checkSpread },
  InterPodAffinity: {
    fields: ["hardPodAffinityWeight", "ignorePreferredTermsOfExistingPods"],
    check: ({ hardPodAffinityWeight }, at) => between(hardPodAffinityWeight, 0, 100, at("hardPodAffinityWeight")),
  },
  DefaultPreemption: { fields: ["minCandidateNodesPercentage", "minCandidateNodesAbsolute"], check: checkPreemption },
  VolumeBinding: {
    fields: ["bindTimeoutSeconds"],
    check: ({ bindTimeoutSeconds }, at) => between(bindTimeoutSeconds, 0, 2 ** 31, at("bindTimeoutSeconds")),
  },
};

/** Checks the arguments of one of Gantry's plugins. Throws `invalid`, and `unsupported` for a field that is not known. */
export function checkArgs(plugin: string, args: object): object {
  const { apiVersion: _, kind, ...given } = args as Fields;
  const at = (field: string): string => `pluginConfig ${plugin}: ${field}`;
  if (kind !== undefined && kind !== `${plugin}Args`) throw invalid(`${at("kind")}: must be ${plugin}Args`);
  const known = CHECKS[plugin];
  for (const field of Object.keys(given)) {
    if (!known?.fields.includes(field)) {
      throw new GantryError("unsupported", `scheduler configuration: ${at(field)} is not supported`);
    }
  }
  known?.check(given, at);
  return given;
}

function invalid(message: string): GantryError {
  return new GantryError("invalid", `scheduler configuration: ${message}`);
}

function between(value: unknown, lowest: number, highest: number, where: string): void {
  if (value === undefined) return;
  if (typeof value !== "number" || value < lowest || value > highest) {
    throw invalid(`${where}: ${JSON.stringify(value)}: not in valid range [${lowest}, ${highest}]`);
  }
}

function list(value: unknown, where: string): readonly Fields[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw invalid(`${where}: must be a list`);
  return value as readonly Fields[];
}

function oneOf(value: unknown, values: readonly string[], where: string): void {
  if (!values.includes(value as string)) {
    throw invalid(`${where}: Unsupported value: ${JSON.stringify(value)}: supported values: ${values.join(", ")}`);
  }
}

function checkAddedAffinity({ addedAffinity }: Fields, at: (field: string) => string): void {
  if (addedAffinity === undefined) return;
  if (typeof addedAffinity !== "object" || addedAffinity === null)
    throw invalid(`${at("addedAffinity")}: must be an object`);
  const affinity = addedAffinity as Fields;
  const required = affinity["requiredDuringSchedulingIgnoredDuringExecution"] as Fields | undefined;
  const preferred = affinity["preferredDuringSchedulingIgnoredDuringExecution"];
  const where = at("addedAffinity");
  if (required && list(required["nodeSelectorTerms"], where).length === 0) {
    throw invalid(`${where}.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms: Required value`);
  }
  for (const { weight } of list(preferred, where)) between(weight ?? 0, 1, 100, `${where}: weight`);
}

function checkFit(args: Fields, at: (field: string) => string): void {
  for (const group of list(args["ignoredResourceGroups"], at("ignoredResourceGroups")) as unknown as string[]) {
    if (group.includes("/")) throw invalid(`${at("ignoredResourceGroups")}: resource group name can't contain '/'`);
  }
  list(args["ignoredResources"], at("ignoredResources"));
  const strategy = args["scoringStrategy"] as Fields | undefined;
  if (!strategy) return;
  const { type, resources, requestedToCapacityRatio } = strategy;
  oneOf(type, ["LeastAllocated", "MostAllocated", "RequestedToCapacityRatio"], at("scoringStrategy.type"));
  for (const { name, weight = 1 } of list(resources, at("scoringStrategy.resources"))) {
    if (typeof weight !== "number" || weight <= 0 || weight > 100) {
      throw invalid(
        `${at("scoringStrategy.resources")}: resource weight of ${String(name)} not in valid range (0, 100]`,
      );
    }
  }
  const where = at("scoringStrategy.requestedToCapacityRatio");
  if (type !== "RequestedToCapacityRatio") {
    if (requestedToCapacityRatio !== undefined) {
      throw invalid(`${where}: must be nil when type is not RequestedToCapacityRatio`);
    }
    return;
  }
  if (!requestedToCapacityRatio) throw invalid(`${where}: must be specified when type is RequestedToCapacityRatio`);
  checkShape(list((requestedToCapacityRatio as Fields)["shape"], where), `${where}.shape`);
}

function checkShape(shape: readonly Fields[], where: string): void {
  if (shape.length === 0) throw invalid(`${where}: at least one point must be specified`);
  for (const [index, { utilization, score }] of shape.entries()) {
    between(utilization ?? 0, 0, 100, `${where}[${index}].utilization`);
    between(score ?? 0, 0, 10, `${where}[${index}].score`);
    const before = shape[index - 1]?.["utilization"] ?? -1;
    if (Number(before) >= Number(utilization ?? 0)) {
      throw invalid(`${where}[${index}].utilization: values must be sorted in increasing order`);
    }
  }
}

function checkBalanced({ resources }: Fields, at: (field: string) => string): void {
  const seen = new Set<unknown>();
  for (const { name, weight = 1 } of list(resources, at("resources"))) {
    if (seen.has(name)) throw invalid(`${at("resources")}: Duplicate value: ${JSON.stringify(name)}`);
    seen.add(name);
    if (weight !== 1) throw invalid(`${at("resources")}: weight of ${String(name)} must be 1`);
  }
}

function checkSpread({ defaultConstraints, defaultingType = "System" }: Fields, at: (field: string) => string): void {
  oneOf(defaultingType, ["System", "List"], at("defaultingType"));
  const constraints = list(defaultConstraints, at("defaultConstraints"));
  if (defaultingType === "System" && constraints.length > 0) {
    throw invalid(`${at("defaultingType")}: System: when .defaultConstraints are not empty`);
  }
  const seen = new Set<string>();
  for (const [index, { maxSkew, topologyKey, whenUnsatisfiable, labelSelector }] of constraints.entries()) {
    const where = `${at("defaultConstraints")}[${index}]`;
    if (typeof maxSkew !== "number" || maxSkew <= 0) throw invalid(`${where}.maxSkew: not in valid range (0, inf)`);
    if (!topologyKey) throw invalid(`${where}.topologyKey: can not be empty`);
    oneOf(whenUnsatisfiable, ["DoNotSchedule", "ScheduleAnyway"], `${where}.whenUnsatisfiable`);
    if (labelSelector) {
      throw invalid(`${where}.labelSelector: constraint must not define a selector, as they deduced for each pod`);
    }
    const key = [topologyKey, whenUnsatisfiable].map((each) => JSON.stringify(each)).join(", ");
    if (seen.has(key)) throw invalid(`${where}: Duplicate value: {${key}}`);
    seen.add(key);
  }
}

function checkPreemption(args: Fields, at: (field: string) => string): void {
  const { minCandidateNodesPercentage: percentage = 10, minCandidateNodesAbsolute: absolute = 100 } = args;
  between(percentage, 0, 100, at("minCandidateNodesPercentage"));
  between(absolute, 0, Number.MAX_SAFE_INTEGER, at("minCandidateNodesAbsolute"));
  if (percentage === 0 && absolute === 0) {
    throw invalid(`${at("minCandidateNodesPercentage")}: cannot be zero at the same time as minCandidateNodesAbsolute`);
  }
}
