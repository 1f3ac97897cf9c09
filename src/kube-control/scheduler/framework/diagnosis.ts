import type { Verdict } from "./verdict.ts";

/** Why a pod fits on no node. */
export interface Diagnosis {
  /** Nodes there are. */
  readonly nodeCount: number;
  /** By row, for each node that was judged. */
  readonly verdicts: ReadonlyMap<number, Verdict>;
  /** Holds for every node that was not judged: a plugin ruled it out before. */
  readonly absent: Verdict | undefined;
  /** Set when a plugin turned the pod away before any node was judged. */
  readonly preFilterMessage: string;
  /** Plugins that turned nodes away: their events may let the pod fit. */
  readonly rejectors: ReadonlySet<string>;
}

/** `0/3 nodes are available: 1 Insufficient cpu, 2 node(s) didn't match ….`, and what preemption says (framework.FitError). */
export function fitMessage(diagnosis: Diagnosis, postFilterMessage: string): string {
  let text = `0/${diagnosis.nodeCount} nodes are available:`;
  if (diagnosis.preFilterMessage !== "") text += ` ${diagnosis.preFilterMessage}.`;
  else {
    const reasons = countedReasons(diagnosis);
    if (reasons.length > 0) text += ` ${reasons.join(", ")}.`;
  }
  return postFilterMessage === "" ? text : `${text} ${postFilterMessage}`;
}

/** `2 Insufficient cpu`, one for each reason, sorted as text. */
function countedReasons(diagnosis: Diagnosis): string[] {
  const counts = new Map<string, number>();
  const count = (verdict: Verdict, times: number): void => {
    for (const reason of verdict.reasons) counts.set(reason, (counts.get(reason) ?? 0) + times);
  };
  for (const verdict of diagnosis.verdicts.values()) count(verdict, 1);
  const absent = diagnosis.nodeCount - diagnosis.verdicts.size;
  if (diagnosis.absent && absent > 0) count(diagnosis.absent, absent);
  return Array.from(counts, ([reason, times]) => `${times} ${reason}`).sort();
}
