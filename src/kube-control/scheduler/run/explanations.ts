import type { Diagnosis } from "../framework/diagnosis.ts";
import type { Scores } from "../framework/score.ts";

/** What the last attempt to place a pod came to. */
export type Explanation =
  | {
      readonly kind: "unschedulable";
      readonly atMs: number;
      readonly message: string;
      readonly diagnosis: Diagnosis | undefined;
    }
  | { readonly kind: "placed"; readonly atMs: number; readonly nodeName: string; readonly scores: Scores | undefined };

/** The last attempts by pod uid: the most recent ones, so that memory stays bounded. */
export interface Explanations {
  set(uid: string, explanation: Explanation): void;
  get(uid: string): Explanation | undefined;
  forget(uid: string): void;
}

/** Pods whose last attempt is kept; one more drops the oldest. */
const CAPACITY = 1000;

/** Makes an empty store. */
export function explanations(): Explanations {
  const kept = new Map<string, Explanation>();
  return {
    set(uid, explanation) {
      kept.delete(uid);
      kept.set(uid, explanation);
      if (kept.size > CAPACITY) for (const oldest of kept.keys()) if (kept.delete(oldest)) break;
    },
    get: (uid) => kept.get(uid),
    forget: (uid) => void kept.delete(uid),
  };
}
