import type { Clock } from "#base/clock.ts";

/** What a work queue tells of its keys. */
export interface QueueMetrics {
  added(key: string): void;
  taken(key: string): void;
  done(key: string): void;
  retried(): void;
}

/** The metrics of work queues by name, as client-go's (k8s.io/component-base metrics/prometheus/workqueue). */
export interface QueueMetricsRegistry {
  queue(name: string): QueueMetrics;
  /** In Prometheus' text form. */
  text(): string;
}

/** Powers of ten, 10 ns to 1000 s. */
const BUCKETS_SECONDS = [1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 0.01, 0.1, 1, 10, 100, 1000];

interface Histogram {
  readonly buckets: number[];
  sum: number;
  count: number;
}

interface Numbers {
  adds: number;
  retries: number;
  /** When keys were queued, and when their work began: those there are now. */
  readonly queued: Map<string, number>;
  readonly working: Map<string, number>;
  readonly waits: Histogram;
  readonly works: Histogram;
}

/** Counts in plain numbers; text is made when it is asked for. */
export function queueMetrics(clock: Clock): QueueMetricsRegistry {
  const queues = new Map<string, Numbers>();
  return {
    queue(name) {
      const numbers = queues.get(name) ?? newNumbers();
      queues.set(name, numbers);
      return countInto(numbers, clock);
    },
    text: () => textOf(queues, clock.now()),
  };
}

function newNumbers(): Numbers {
  const histogram = (): Histogram => ({ buckets: BUCKETS_SECONDS.map(() => 0), sum: 0, count: 0 });
  return { adds: 0, retries: 0, queued: new Map(), working: new Map(), waits: histogram(), works: histogram() };
}

function countInto(numbers: Numbers, clock: Clock): QueueMetrics {
  const end = (since: Map<string, number>, key: string, into: Histogram): void => {
    const at = since.get(key);
    if (at === undefined) return;
    since.delete(key);
    observe(into, (clock.now() - at) / 1000);
  };
  return {
    added(key) {
      numbers.adds++;
      numbers.queued.set(key, clock.now());
    },
    taken(key) {
      end(numbers.queued, key, numbers.waits);
      numbers.working.set(key, clock.now());
    },
    done: (key) => end(numbers.working, key, numbers.works),
    retried: () => void numbers.retries++,
  };
}

function observe(histogram: Histogram, seconds: number): void {
  histogram.sum += seconds;
  histogram.count++;
  const bucket = BUCKETS_SECONDS.findIndex((bound) => seconds <= bound);
  if (bucket >= 0) histogram.buckets[bucket] = (histogram.buckets[bucket] ?? 0) + 1;
}

function textOf(queues: ReadonlyMap<string, Numbers>, nowMs: number): string {
  const all = Array.from(queues);
  const longest = ({ working }: Numbers): number => Math.max(0, ...Array.from(working.values(), (at) => nowMs - at));
  const unfinished = ({ working }: Numbers): number =>
    Array.from(working.values()).reduce((sum, at) => sum + nowMs - at, 0);
  const value = (name: string, type: string, help: string, of: (numbers: Numbers) => number): string[] => [
    `# HELP workqueue_${name} ${help}`,
    `# TYPE workqueue_${name} ${type}`,
    ...all.map(([queue, numbers]) => `workqueue_${name}{name="${queue}"} ${of(numbers)}`),
  ];
  const lines = [
    ...value("adds_total", "counter", "Total number of adds handled by workqueue", ({ adds }) => adds),
    ...value("depth", "gauge", "Current depth of workqueue", ({ queued }) => queued.size),
    ...value("retries_total", "counter", "Total number of retries handled by workqueue", ({ retries }) => retries),
    ...value("unfinished_work_seconds", "gauge", "Seconds of work in progress", (each) => unfinished(each) / 1000),
    ...value(
      "longest_running_processor_seconds",
      "gauge",
      "Seconds of the longest work",
      (each) => longest(each) / 1000,
    ),
    ...histogramLines(all, "queue_duration_seconds", "Seconds a key waits in workqueue", ({ waits }) => waits),
    ...histogramLines(all, "work_duration_seconds", "Seconds the work on a key takes", ({ works }) => works),
  ];
  return `${lines.join("\n")}\n`;
}

function histogramLines(
  queues: readonly (readonly [string, Numbers])[],
  name: string,
  help: string,
  of: (numbers: Numbers) => Histogram,
): string[] {
  const lines = [`# HELP workqueue_${name} ${help}`, `# TYPE workqueue_${name} histogram`];
  for (const [queue, numbers] of queues) {
    const { buckets, sum, count } = of(numbers);
    let below = 0;
    for (const [index, bound] of BUCKETS_SECONDS.entries()) {
      below += buckets[index] ?? 0;
      lines.push(`workqueue_${name}_bucket{name="${queue}",le="${bound}"} ${below}`);
    }
    lines.push(
      `workqueue_${name}_bucket{name="${queue}",le="+Inf"} ${count}`,
      `workqueue_${name}_sum{name="${queue}"} ${sum}`,
      `workqueue_${name}_count{name="${queue}"} ${count}`,
    );
  }
  return lines;
}
