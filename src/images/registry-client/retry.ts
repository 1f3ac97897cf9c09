import type { Clock } from "#base/clock.ts";
import { GantryError, isGantryError } from "#base/errors.ts";

export interface RetryOptions {
  readonly clock: Clock;
  /** Wait before the second attempt; each further one waits so much longer. Docker: 5 s. */
  readonly delayMs: number;
  readonly signal: AbortSignal | undefined;
  /** Told how long the wait is. */
  readonly onWait?: (seconds: number) => void;
}

/** As Docker's download and upload managers (moby distribution/xfer). */
const ATTEMPTS = 5;
/** A registry that wants more patience than this gets none. */
const MAX_RETRY_AFTER_MS = 60_000;

/** Runs `run` until it succeeds or `pause` gives up. */
export async function retrying<T>(run: (attempt: number) => Promise<T>, options: RetryOptions): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await run(attempt);
    } catch (error) {
      await pause(error, attempt, options);
    }
  }
}

/**
 * Waits before the next attempt. Throws the error again after ATTEMPTS, or at once when another attempt does not mend it.
 * `details.retryAfterMs` of an error says how long a registry wants to be left alone.
 */
export async function pause(error: unknown, attempt: number, options: RetryOptions): Promise<void> {
  const wait = waitFor(error, attempt, options.delayMs);
  if (wait === undefined || attempt >= ATTEMPTS || options.signal?.aborted) throw error;
  options.onWait?.(Math.ceil(wait / 1000));
  await sleep(options.clock, wait, options.signal);
}

function waitFor(error: unknown, attempt: number, delayMs: number): number | undefined {
  const mendable =
    isGantryError(error, "unavailable") || isGantryError(error, "timeout") || isGantryError(error, "too-many-requests");
  if (!mendable) return undefined;
  // Nobody listens there: that takes more than seconds to change. A full disk is not the registry's.
  if (["ECONNREFUSED", "ENOTFOUND"].includes(String(error.details["cause"])) || error.message.includes("no space left"))
    return undefined;
  const asked = error.details["retryAfterMs"];
  if (typeof asked !== "number") return delayMs * attempt;
  return asked > MAX_RETRY_AFTER_MS ? undefined : Math.max(asked, delayMs);
}

function sleep(clock: Clock, ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      cancel();
      reject(new GantryError("cancelled", "context canceled"));
    };
    const cancel = clock.after(ms, () => {
      signal?.removeEventListener("abort", stop);
      resolve();
    });
    signal?.addEventListener("abort", stop, { once: true });
  });
}

/** Retry-After in milliseconds (RFC 9110, section 10.2.3): seconds or a date. */
export function retryAfter(header: string | undefined, now: number): number | undefined {
  if (header === undefined) return undefined;
  if (/^\d{1,9}$/.test(header)) return Number(header) * 1000;
  const date = Date.parse(header);
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}
