import type { Clock } from "#base/clock.ts";

/** When nodes were last heard of, by this process's clock: theirs may be wrong. */
export interface NodeHealth {
  /** The node gave a sign of life. */
  heard(name: string): void;
  forget(name: string): void;
  /** Nothing was heard of it for the grace period. */
  isSilent(name: string): boolean;
  stop(): void;
}

/** A node is silent after this long (--node-monitor-grace-period). */
export const GRACE_MS = 50_000;

/** Calls `onSilent` once for each silence. One timer, for the node that would be silent first. */
export function nodeHealth(clock: Clock, onSilent: (name: string) => void, graceMs = GRACE_MS): NodeHealth {
  /** By name, the longest silent first. */
  const lastHeard = new Map<string, number>();
  const silent = new Set<string>();
  let cancel: (() => void) | undefined;
  const look = (): void => {
    cancel = undefined;
    const now = clock.now();
    for (const [name, at] of lastHeard) {
      if (at + graceMs > now) break;
      lastHeard.delete(name);
      silent.add(name);
      onSilent(name);
    }
    arm();
  };
  const arm = (): void => {
    if (cancel) return;
    for (const at of lastHeard.values()) {
      cancel = clock.after(at + graceMs - clock.now(), look);
      return;
    }
  };
  return {
    heard(name) {
      lastHeard.delete(name);
      silent.delete(name);
      lastHeard.set(name, clock.now());
      arm();
    },
    forget(name) {
      lastHeard.delete(name);
      silent.delete(name);
    },
    isSilent: (name) => silent.has(name),
    stop() {
      cancel?.();
      lastHeard.clear();
    },
  };
}
