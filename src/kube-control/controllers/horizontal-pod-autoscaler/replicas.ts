// How many replicas bring a metric to its target (kube-controller-manager's podautoscaler: replica calculator).
import { GantryError } from "#base/errors.ts";
import type { HPAScalingRules, Pod } from "#formats/kube-types.generated.ts";
import { quantityMillis } from "#formats/quantity.ts";
import { groupPods, requestsByPod, type PodGroups, type PodUsage, type ResourceOf } from "./usage.ts";

/** A metric as it is, and the replicas that it asks for. */
export interface Proposal {
  readonly replicas: number;
  /** Per pod, in thousandths. */
  readonly averageMillis: number;
  /** Percent of what is requested, when that is the target. */
  readonly utilization?: number;
}

/** How far a ratio may be from 1 without consequences. */
export interface Tolerances {
  readonly up: number;
  readonly down: number;
}

export interface ProposalInputs {
  readonly current: number;
  readonly pods: readonly Pod[];
  readonly usage: ReadonlyMap<string, PodUsage>;
  readonly of: ResourceOf;
  readonly tolerances: Tolerances;
  readonly nowMs: number;
}

/** kube-controller-manager's default of --horizontal-pod-autoscaler-tolerance. */
const TOLERANCE = 0.1;

export function tolerancesOf(up: HPAScalingRules | undefined, down: HPAScalingRules | undefined): Tolerances {
  const of = (rules: HPAScalingRules | undefined): number =>
    rules?.tolerance === undefined ? TOLERANCE : quantityMillis(rules.tolerance) / 1000;
  return { up: of(up), down: of(down) };
}

/** Target: percent of the requests. */
export function proposeByUtilization(inputs: ProposalInputs, targetPercent: number): Proposal {
  const groups = counted(inputs);
  const requests = requestsByPod(inputs.pods, inputs.of);
  const now = utilizationOf(groups.usage, requests, targetPercent);
  const replicas = settle(inputs, groups, {
    ratio: now.ratio,
    whole: (name) => requests.get(name) ?? 0,
    ratioOf: (millis) => utilizationOf(millis, requests, targetPercent).ratio,
  });
  return { replicas, averageMillis: now.averageMillis, utilization: now.percent };
}

/** Target: an average in thousandths per pod. */
export function proposeByAverage(inputs: ProposalInputs, targetMillis: number): Proposal {
  const groups = counted(inputs);
  const averageMillis = average(groups.usage);
  const replicas = settle(inputs, groups, {
    ratio: averageMillis / targetMillis,
    whole: () => targetMillis,
    ratioOf: (millis) => average(millis) / targetMillis,
  });
  return { replicas, averageMillis };
}

type Amounts = ReadonlyMap<string, { readonly millis: number }>;

function counted({ pods, usage, of, nowMs }: ProposalInputs): PodGroups {
  if (pods.length === 0) {
    throw new GantryError("unavailable", "no pods returned by selector while calculating replica count");
  }
  const groups = groupPods(pods, usage, of.resource, nowMs);
  if (groups.usage.size === 0) throw new GantryError("unavailable", "did not receive metrics for any ready pods");
  return groups;
}

interface Scale {
  readonly ratio: number;
  /** What a pod without numbers is taken to use when fewer are asked for. */
  readonly whole: (name: string) => number;
  readonly ratioOf: (amounts: Amounts) => number;
}

/** The replicas; pods without numbers are counted so that they hold the change back, and never turn it. */
function settle({ current, tolerances }: ProposalInputs, groups: PodGroups, scale: Scale): number {
  const { ready, unready, missing, usage } = groups;
  const { ratio } = scale;
  const withUnready = unready.length > 0 && ratio > 1;
  if (!withUnready && missing.length === 0) return within(tolerances, ratio) ? current : Math.ceil(ratio * ready);
  const amounts = new Map<string, { millis: number }>(usage);
  for (const name of missing) amounts.set(name, { millis: ratio < 1 ? scale.whole(name) : 0 });
  if (withUnready) for (const name of unready) amounts.set(name, { millis: 0 });
  const held = scale.ratioOf(amounts);
  if (within(tolerances, held) || (ratio < 1 && held > 1) || (ratio > 1 && held < 1)) return current;
  const replicas = Math.ceil(held * amounts.size);
  return (held < 1 && replicas > current) || (held > 1 && replicas < current) ? current : replicas;
}

function within({ up, down }: Tolerances, ratio: number): boolean {
  return 1 - down <= ratio && ratio <= 1 + up;
}

function average(amounts: Amounts): number {
  return Math.floor(total(amounts) / amounts.size);
}

function total(amounts: Amounts): number {
  let sum = 0;
  for (const { millis } of amounts.values()) sum += millis;
  return sum;
}

function utilizationOf(amounts: Amounts, requests: ReadonlyMap<string, number>, targetPercent: number) {
  const known = new Map(Array.from(amounts).filter(([name]) => requests.has(name)));
  let requested = 0;
  for (const name of known.keys()) requested += requests.get(name) ?? 0;
  if (requested === 0) throw new GantryError("unavailable", "no metrics returned matched known pods");
  const percent = Math.floor((total(known) * 100) / requested);
  return { ratio: percent / targetPercent, percent, averageMillis: average(known) };
}
