import type { Registry } from "prom-client";

/** One finished request, by words of ours only: what clients send never becomes a label. */
export interface RequestSample {
  readonly verb: string;
  /** A served resource, or "" for paths that are none. */
  readonly resource: string;
  readonly subresource: string;
  readonly code: number;
  readonly seconds: number;
}

export interface Metrics {
  observe(sample: RequestSample): void;
  text(): Promise<string>;
}

const BUCKETS_SECONDS = [0.005, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
/** Verb, resource, subresource and code together: more pairs than the served API has. Beyond it samples are dropped. */
const MAX_SERIES = 4096;

interface Series {
  count: number;
  seconds: number;
  readonly buckets: number[];
}

/** Counts requests in plain numbers; the Prometheus library is loaded when metrics are first read. `others`: the text of what else is counted. */
export function requestMetrics(revision: () => number, others: () => string): Metrics {
  const series = new Map<string, Series>();
  return {
    observe({ verb, resource, subresource, code, seconds }) {
      const key = `${verb}\n${resource}\n${subresource}\n${code}`;
      let entry = series.get(key);
      if (!entry) {
        if (series.size >= MAX_SERIES) return;
        entry = { count: 0, seconds: 0, buckets: BUCKETS_SECONDS.map(() => 0) };
        series.set(key, entry);
      }
      entry.count++;
      entry.seconds += seconds;
      const bucket = BUCKETS_SECONDS.findIndex((bound) => seconds <= bound);
      if (bucket >= 0) entry.buckets[bucket] = (entry.buckets[bucket] ?? 0) + 1;
    },
    async text() {
      const { collectDefaultMetrics, Registry: RegistryClass, Gauge } = await import("prom-client");
      const registry: Registry = new RegistryClass();
      collectDefaultMetrics({ register: registry });
      new Gauge({ name: "gantry_store_revision", help: "Newest revision of the store.", registers: [registry] }).set(
        revision(),
      );
      return `${await registry.metrics()}\n${requestText(series)}${others()}`;
    },
  };
}

function requestText(series: ReadonlyMap<string, Series>): string {
  const total = "apiserver_request_total";
  const duration = "apiserver_request_duration_seconds";
  const lines = [`# HELP ${total} Counter of API requests.`, `# TYPE ${total} counter`];
  const timed = [`# HELP ${duration} Response latency in seconds.`, `# TYPE ${duration} histogram`];
  for (const [key, { count, seconds, buckets }] of series) {
    const [verb = "", resource = "", subresource = "", code = ""] = key.split("\n");
    const labels = `verb="${verb}",resource="${resource}",subresource="${subresource}"`;
    lines.push(`${total}{${labels},code="${code}"} ${count}`);
    let below = 0;
    for (const [index, bound] of BUCKETS_SECONDS.entries()) {
      below += buckets[index] ?? 0;
      timed.push(`${duration}_bucket{${labels},code="${code}",le="${bound}"} ${below}`);
    }
    timed.push(`${duration}_bucket{${labels},code="${code}",le="+Inf"} ${count}`);
    timed.push(
      `${duration}_sum{${labels},code="${code}"} ${seconds}`,
      `${duration}_count{${labels},code="${code}"} ${count}`,
    );
  }
  return `${[...lines, ...timed].join("\n")}\n`;
}
