import { podSignature } from "../../cluster/signature.ts";
import type { Cycle } from "../../framework/plugin.ts";
import type { Verdict } from "../../framework/verdict.ts";
import type { Victims } from "./victims.ts";

/** Trials of nodes for pods of one kind and priority, each good until its node changes. */
interface Trials {
  get(row: number): Victims | Verdict | undefined;
  set(row: number, found: Victims | Verdict): void;
}

/** What was found out for pods that come in numbers: the second of a thousand need not try the nodes that the first has tried. */
export interface TrialMemory {
  of(cycle: Cycle): Trials;
}

/** Kinds of pods remembered; one more drops the least recently seen. Each has at most as many trials as there are nodes. */
const MAX_KINDS = 8;

/** Makes an empty memory. */
export function trialMemory(): TrialMemory {
  const kinds = new Map<string, Map<number, { generation: number; found: Victims | Verdict }>>();
  return {
    of({ cluster, pod }) {
      const key = `${pod.priority}\n${podSignature(pod)}`;
      const known = kinds.get(key) ?? new Map<number, { generation: number; found: Victims | Verdict }>();
      kinds.delete(key);
      kinds.set(key, known);
      if (kinds.size > MAX_KINDS) for (const oldest of kinds.keys()) if (kinds.delete(oldest)) break;
      return {
        get(row) {
          const trial = known.get(row);
          return trial?.generation === cluster.generations[row] ? trial?.found : undefined;
        },
        set(row, found) {
          // The pod's own promise does not count against itself, but against others of its kind.
          if (!cluster.nominated.has(pod.uid)) known.set(row, { generation: cluster.generations[row] ?? 0, found });
        },
      };
    },
  };
}
