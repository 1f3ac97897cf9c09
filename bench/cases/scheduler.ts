// Upstream's scheduler_perf workloads through the API server of createCluster(), each in a process of its own. GANTRY_BENCH_NODES=20000 for another size;
// GANTRY_BENCH_WORKLOADS=Basic,Preemption for some of them.
import { spawn } from "node:child_process";
import { text } from "node:stream/consumers";
import type { Case, Measurement } from "../measure.ts";
import type { WorkloadResult } from "../scheduler/run-workload.ts";
import { WORKLOADS, type Workload } from "../scheduler/workloads.ts";

export const cases: readonly Case[] = [{ name: "scheduler: upstream's scheduler_perf workloads", run }];

async function run(): Promise<Measurement[]> {
  const words = process.env["GANTRY_BENCH_WORKLOADS"]?.split(",");
  const measurements: Measurement[] = [];
  for (const workload of WORKLOADS) {
    if (words && !words.some((word) => workload.name.includes(word))) continue;
    measurements.push(...measured(workload, await runInChild(workload)));
  }
  return measurements;
}

async function runInChild({ name }: Workload): Promise<WorkloadResult> {
  const script = new URL("../scheduler/run-workload.ts", import.meta.url).pathname;
  const nodes = process.env["GANTRY_BENCH_NODES"];
  const child = spawn(process.execPath, [script, name, ...(nodes ? [nodes] : [])], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  return JSON.parse(await text(child.stdout)) as WorkloadResult;
}

function measured({ name, goal }: Workload, result: WorkloadResult): Measurement[] {
  const { podsPerSecond, podsPerCpuSecond, decisionMs, decisionsPerSecond, residentMiB } = result;
  return [
    { name: `${name}: pods, created to bound`, unit: "/s", values: [podsPerSecond], goal: `${goal}/s` },
    { name: "  for each second of processor time", unit: "/s", values: [podsPerCpuSecond] },
    { name: "  decisions alone", unit: "/s", values: [decisionsPerSecond] },
    { name: "  p99 of a decision", unit: "ms", values: [decisionMs.p99], goal: "5 ms" },
    { name: "  resident memory", unit: "MiB", values: [residentMiB], goal: "400 MiB" },
  ];
}
