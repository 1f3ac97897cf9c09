/** The API's times (metav1.Time, metav1.MicroTime) from and to epoch milliseconds. */

/** RFC 3339 in UTC with whole seconds, as metav1.Time is written. */
export function kubeTime(epochMs: number): string {
  return `${new Date(Math.floor(epochMs / 1000) * 1000).toISOString().slice(0, 19)}Z`;
}

/** RFC 3339 in UTC with microseconds, as metav1.MicroTime is written. */
export function kubeMicroTime(epochMs: number): string {
  return `${new Date(epochMs).toISOString().slice(0, 23)}000Z`;
}

/** Epoch milliseconds of an API time; undefined for an absent one or one that is no time. */
export function parseKubeTime(time: string | undefined): number | undefined {
  if (time === undefined) return undefined;
  const parsed = Date.parse(time);
  return Number.isNaN(parsed) ? undefined : parsed;
}
