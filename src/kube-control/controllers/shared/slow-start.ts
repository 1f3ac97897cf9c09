/** What came of a batch of calls. */
export interface BatchResult {
  readonly succeeded: number;
  /** The first failure; calls of later batches were not made. */
  readonly error: unknown;
}

/**
 * Makes `count` calls in batches of 1, 2, 4, ... side by side, and stops after a batch in which one failed: a quota that refuses the first pod is
 * not asked a thousand times (kube-controller-manager's slowStartBatch).
 */
export async function slowStart(count: number, call: (index: number) => Promise<void>): Promise<BatchResult> {
  let succeeded = 0;
  let next = 0;
  for (let size = Math.min(1, count); size > 0; size = Math.min(size * 2, count - next)) {
    const batch = Array.from({ length: size }, (_, offset) => call(next + offset));
    next += size;
    const results = await Promise.allSettled(batch);
    succeeded += results.filter((result) => result.status === "fulfilled").length;
    const failed = results.find((result) => result.status === "rejected");
    if (failed) return { succeeded, error: failed.reason };
  }
  return { succeeded, error: undefined };
}
