import type { Clock } from "#base/clock.ts";
import { signal } from "#base/signal.ts";
import type { EngineEvent } from "../engine.ts";

/** What happened, newest last; and who listens. */
export interface EventLog {
  record(event: Omit<EngineEvent, "timeNanos">): void;
  listen(listener: (event: EngineEvent) => void): () => void;
  /** Kept events of this span, both ends included, in epoch milliseconds. */
  past(sinceMs: number, untilMs: number): readonly EngineEvent[];
}

/** As many as dockerd keeps for `docker events --since`; the oldest makes room. */
const KEPT_EVENTS = 1024;

/** `onError` gets what a listener throws. */
export function eventLog(clock: Clock, onError: (error: unknown) => void): EventLog {
  const kept: EngineEvent[] = [];
  const listeners = signal<EngineEvent>(onError);
  let lastNanos = 0n;
  return {
    record(event) {
      // Strictly rising, so that a client can go on from the last event it saw.
      const now = BigInt(Math.floor(clock.now())) * 1_000_000n;
      lastNanos = now > lastNanos ? now : lastNanos + 1n;
      const complete: EngineEvent = { ...event, timeNanos: lastNanos };
      kept.push(complete);
      if (kept.length > KEPT_EVENTS) kept.shift();
      listeners.emit(complete);
    },
    listen: (listener) => listeners.on(listener),
    past(sinceMs, untilMs) {
      const from = BigInt(Math.floor(sinceMs * 1e6));
      const to = untilMs === Number.POSITIVE_INFINITY ? undefined : BigInt(Math.ceil(untilMs * 1e6));
      return kept.filter(({ timeNanos }) => timeNanos >= from && (to === undefined || timeNanos <= to));
    },
  };
}
