// What the scenarios of the fault simulations share. A scenario drives a simulation, watches its limits all the way, and returns its end: what does not depend
// on names and times.
import assert from "node:assert/strict";
import { RESOURCES } from "../../../src/formats/kube-resources.ts";
import type { Pod } from "../../../src/formats/kube-types.generated.ts";
import type { Simulation } from "../support/simulation.ts";

export interface Scenario {
  readonly name: string;
  readonly controllers: readonly string[];
  readonly nodes?: number;
  run(simulation: Simulation): Promise<object>;
}

export const podsOf = ({ cluster }: Simulation): Pod[] =>
  Array.from(cluster.informers.informer(RESOURCES.pods).cache.values());
export const isLive = ({ metadata, status }: Pod): boolean => !metadata.deletionTimestamp && status?.phase !== "Failed";
export const isReady = (pod: Pod): boolean =>
  isLive(pod) && (pod.status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True") ?? false);
export const imageOf = ({ spec }: Pod): string => spec?.containers[0]?.image ?? "";

/** Limits that must hold all the way. */
export interface Limits {
  /** Notes a broken one. */
  broken(what: string): void;
  /** Fails when one was. */
  held(): void;
}

export function limits(): Limits {
  const problems: string[] = [];
  return {
    broken: (what) => void (problems.length < 20 && problems.push(what)),
    held: () => assert.deepEqual(problems, []),
  };
}

/** Calls `check` after every change of a pod, as it really is; other resources are followed so that they can be read. */
export async function watchPods(
  { cluster }: Simulation,
  check: (live: readonly Pod[]) => void,
  ...others: readonly (keyof typeof RESOURCES)[]
): Promise<void> {
  const pods = cluster.informers.informer(RESOURCES.pods);
  const all = [RESOURCES.pods, ...others.map((name) => RESOURCES[name] as typeof RESOURCES.pods)];
  await Promise.all(all.map((each) => cluster.informers.informer(each).whenSynced()));
  const look = (): void => check(Array.from(pods.cache.values()).filter(isLive));
  pods.addHandler({ add: look, update: look, delete: look });
}

/** A pod template whose pods take their time to become ready and to stop. */
export function slowTemplate(labels: Record<string, string>, readyMs: number, stopMs: number, image = "example") {
  const annotations = { "simulated.gantry.dev/ready-ms": `${readyMs}`, "simulated.gantry.dev/stop-ms": `${stopMs}` };
  return { metadata: { labels, annotations }, spec: { containers: [{ name: "main", image }] } };
}
