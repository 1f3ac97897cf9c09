/**
 * Why a node (or every node) does not do for a pod. `Unschedulable`: taking other pods away might help;
 * `UnschedulableAndUnresolvable`: it would not.
 */
export interface Verdict {
  readonly plugin: string;
  readonly code: "Unschedulable" | "UnschedulableAndUnresolvable";
  /** In kube-scheduler's words. */
  readonly reasons: readonly string[];
}

/** Makes a verdict. Plugins make the ones they need once, not per node. */
export function verdict(plugin: string, code: Verdict["code"], ...reasons: string[]): Verdict {
  return { plugin, code, reasons };
}
