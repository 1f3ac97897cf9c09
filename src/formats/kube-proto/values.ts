const LAST_SECOND = 253_402_300_799;

/** Seconds and nanoseconds since the epoch as the API's time text: whole seconds, or microseconds. Throws RangeError after year 9999. */
export function timeText(seconds: number, nanos: number, micro: boolean): string {
  if (Math.abs(seconds) > LAST_SECOND) throw new RangeError("time is out of range");
  const head = new Date(seconds * 1000).toISOString().slice(0, 19);
  return micro ? `${head}.${String(Math.floor(nanos / 1000)).padStart(6, "0")}Z` : `${head}Z`;
}
