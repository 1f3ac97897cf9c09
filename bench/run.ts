// npm run bench [-- word ...]: runs the cases whose name contains one of the words (all without), prints medians and writes bench/results.json.
// Peers (dockerd, ...) are measured in the same run when they are installed.
import { globSync, writeFileSync } from "node:fs";
import { cpus, release } from "node:os";
import { median, percentile, type Case, type Measurement } from "./measure.ts";

const words = process.argv.slice(2);
const root = new URL("../", import.meta.url).pathname;
const results: {
  case: string;
  measurements: { name: string; unit: string; median: number; p99: number; count: number; goal?: string }[];
}[] = [];

for (const path of globSync("bench/cases/*.ts", { cwd: root }).sort()) {
  const { cases } = (await import(`${root}${path}`)) as { cases: readonly Case[] };
  for (const each of cases) {
    if (words.length > 0 && !words.some((word) => each.name.includes(word))) continue;
    console.log(`\n${each.name}`);
    const measurements = await each.run();
    results.push({ case: each.name, measurements: measurements.map(summarise) });
    for (const measurement of measurements) console.log(`  ${line(measurement)}`);
  }
}

const machine = {
  cpu: cpus()[0]?.model ?? "unknown",
  cores: cpus().length,
  kernel: release(),
  node: process.version,
  date: new Date().toISOString().slice(0, 10),
};
writeFileSync(`${root}bench/results.json`, `${JSON.stringify({ machine, results }, undefined, 2)}\n`);
process.exit(0);

function summarise({ name, unit, values, goal }: Measurement) {
  return {
    name,
    unit,
    median: round(median(values)),
    p99: round(percentile(values, 0.99)),
    count: values.length,
    ...(goal === undefined ? {} : { goal }),
  };
}

function line(measurement: Measurement): string {
  const { name, unit, median: middle, p99, count, goal } = summarise(measurement);
  return `${name.padEnd(52)} ${String(middle).padStart(9)} ${unit.padEnd(4)}  p99 ${String(p99).padStart(9)}  n=${count}${goal ? `  (goal ${goal})` : ""}`;
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
