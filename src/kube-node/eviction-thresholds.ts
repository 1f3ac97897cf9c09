/** Eviction thresholds in the kubelet's own words: `memory.available<100Mi,nodefs.available<10%`. Pure. */
import { GantryError } from "#base/errors.ts";
import { parseGoDuration } from "#formats/go-duration.ts";
import { quantityNumber } from "#formats/quantity.ts";

export type EvictionSignal =
  | "memory.available"
  | "nodefs.available"
  | "nodefs.inodesFree"
  | "imagefs.available"
  | "imagefs.inodesFree"
  | "pid.available";

export type Pressure = "MemoryPressure" | "DiskPressure" | "PIDPressure";

const SIGNALS: Readonly<Record<EvictionSignal, { readonly pressure: Pressure; readonly resource: string }>> = {
  "memory.available": { pressure: "MemoryPressure", resource: "memory" },
  "nodefs.available": { pressure: "DiskPressure", resource: "ephemeral-storage" },
  "nodefs.inodesFree": { pressure: "DiskPressure", resource: "inodes" },
  "imagefs.available": { pressure: "DiskPressure", resource: "ephemeral-storage" },
  "imagefs.inodesFree": { pressure: "DiskPressure", resource: "inodes" },
  "pid.available": { pressure: "PIDPressure", resource: "pids" },
};

export interface Threshold {
  readonly signal: EvictionSignal;
  /** As written: `100Mi`, `10%`. */
  readonly text: string;
  /** Of what there is; or an amount. */
  readonly limit: { readonly fraction: number } | { readonly amount: number };
  /** How long it has to be met; 0: a hard one. */
  readonly graceMs: number;
}

export interface EvictionConfig {
  readonly thresholds: readonly Threshold[];
  /** A pressure is told this long after it has ended. */
  readonly transitionMs: number;
  /** The longest grace of pods that a soft threshold ends. */
  readonly maxPodGraceSeconds: number;
}

/**
 * The kubelet's hard thresholds for memory and processes. Of the disk, which a machine that is also somebody's own shares, an amount: the
 * kubelet's tenth of a large disk is a lot that would be free.
 */
export const DEFAULT_HARD = "memory.available<100Mi,nodefs.available<1Gi,nodefs.inodesFree<2%,pid.available<2%";

/** `hard`: `signal<limit,...`; `soft` with `softGrace`: `signal=1m30s,...`. Throws `invalid` in words that name the flag. */
export function evictionConfig(options: {
  readonly hard?: string | undefined;
  readonly soft?: string | undefined;
  readonly softGrace?: string | undefined;
  readonly transition?: string | undefined;
}): EvictionConfig {
  const graces = new Map(
    parts(options.softGrace ?? "").map((part): [string, number] => {
      const [signal = "", time = ""] = part.split("=");
      return [signalOf(signal, "--eviction-soft-grace-period"), parseGoDuration(time)];
    }),
  );
  const soft = parts(options.soft ?? "").map((part) => {
    const threshold = thresholdOf(part, "--eviction-soft");
    const graceMs = graces.get(threshold.signal);
    if (graceMs === undefined || graceMs <= 0)
      throw new GantryError(
        "invalid",
        `--eviction-soft: ${threshold.signal} needs a time in --eviction-soft-grace-period`,
      );
    return { ...threshold, graceMs };
  });
  const hard = parts(options.hard ?? DEFAULT_HARD).map((part) => thresholdOf(part, "--eviction-hard"));
  return {
    thresholds: [...hard, ...soft],
    transitionMs: parseGoDuration(options.transition ?? "5m"),
    maxPodGraceSeconds: 30,
  };
}

function parts(text: string): string[] {
  return text.split(",").filter((part) => part.trim() !== "");
}

function signalOf(text: string, flag: string): EvictionSignal {
  if (Object.hasOwn(SIGNALS, text)) return text as EvictionSignal;
  throw new GantryError(
    "invalid",
    `${flag}: "${text}" is no eviction signal; there are ${Object.keys(SIGNALS).join(", ")}`,
  );
}

function thresholdOf(part: string, flag: string): Threshold {
  const [name = "", text = ""] = part.trim().split("<");
  const signal = signalOf(name, flag);
  const percent = /^(\d+(?:\.\d+)?)%$/.exec(text)?.[1];
  if (percent !== undefined) return { signal, text, limit: { fraction: Number(percent) / 100 }, graceMs: 0 };
  try {
    return { signal, text, limit: { amount: quantityNumber(text) }, graceMs: 0 };
  } catch (error) {
    throw new GantryError("invalid", `${flag}: "${part}" is no threshold such as memory.available<100Mi`, {}, error);
  }
}

/** What there is of something, and how much of it is left. */
export interface Reading {
  readonly available: number;
  readonly capacity: number;
}

export type Readings = Readonly<Partial<Record<EvictionSignal, Reading>>>;

export function isMet({ signal, limit }: Threshold, readings: Readings): boolean {
  const reading = readings[signal];
  if (!reading) return false;
  return reading.available < ("fraction" in limit ? limit.fraction * reading.capacity : limit.amount);
}

export function pressureOf({ signal }: Threshold): Pressure {
  return SIGNALS[signal].pressure;
}

export function resourceOf({ signal }: Threshold): string {
  return SIGNALS[signal].resource;
}
