import type { Verdict } from "./verdict.ts";

/** Verdicts on nodes by row. A plain Map is one; so is what is kept for like pods, which is good only while its cycle lasts. */
export interface Verdicts extends Iterable<[row: number, verdict: Verdict]> {
  get(row: number): Verdict | undefined;
  readonly size: number;
  /** Each verdict with the number of nodes it is on, when that is known without counting. */
  readonly counts?: Iterable<{ readonly verdict: Verdict; readonly count: number }>;
}

/** Why a pod fits on no node. */
export interface Diagnosis {
  /** Nodes there are. */
  readonly nodeCount: number;
  /** For each node that was judged. */
  readonly verdicts: Verdicts;
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
  const reasons = new Map<string, number>();
  const count = (verdict: Verdict, times: number): void => {
    for (const reason of verdict.reasons) reasons.set(reason, (reasons.get(reason) ?? 0) + times);
  };
  const { verdicts } = diagnosis;
  if (verdicts.counts) for (const { verdict, count: times } of verdicts.counts) count(verdict, times);
  else for (const [, verdict] of verdicts) count(verdict, 1);
  const absent = diagnosis.nodeCount - verdicts.size;
  if (diagnosis.absent && absent > 0) count(diagnosis.absent, absent);
  return Array.from(reasons, ([reason, times]) => `${times} ${reason}`).sort();
}
