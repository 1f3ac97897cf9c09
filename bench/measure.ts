/** One measured number series; `unit` of the values. */
export interface Measurement {
  readonly name: string;
  readonly unit: "ms" | "MiB" | "%" | "/s" | "MB/s";
  readonly values: readonly number[];
  /** The figure that the number is held against, as text. */
  readonly goal?: string;
}

/** A benchmark case: a file in bench/cases/ that exports `cases`. */
export interface Case {
  readonly name: string;
  run(): Promise<readonly Measurement[]>;
}

/** Milliseconds that each of `count` runs takes, after `warmUp` runs that do not count. */
export async function time(count: number, run: (index: number) => Promise<unknown>, warmUp = 2): Promise<number[]> {
  for (let index = 0; index < warmUp; index++) await run(-1 - index);
  const values: number[] = [];
  for (let index = 0; index < count; index++) {
    const started = performance.now();
    await run(index);
    values.push(performance.now() - started);
  }
  return values;
}

export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

export function median(values: readonly number[]): number {
  return percentile(values, 0.5);
}
