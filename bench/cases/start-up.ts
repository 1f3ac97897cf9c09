import { mkdtemp, rm } from "node:fs/promises";
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startGantry } from "#test/gantry.ts";
import { time, type Case, type Measurement } from "../measure.ts";
import { residentMib } from "./docker.ts";

export const cases: readonly Case[] = [
  { name: "gantry up, and what it costs to be idle", run: startUp },
  { name: "createCluster()", run: clusterInProcess },
];

const IDLE_SECONDS = 20;
const TICKS_PER_SECOND = 100;

async function startUp(): Promise<Measurement[]> {
  // The bundle, as people run it.
  process.env["GANTRY_SOURCE"] = "";
  const fresh = await time(
    5,
    async () => {
      const gantry = await startGantry();
      await gantry.stop();
    },
    1,
  );
  const root = await mkdtemp(join(tmpdir(), "gantry-bench-"));
  const gantry = await startGantry({ root });
  const startupMs = gantry.status.startupMs;
  await new Promise((resolve) => setTimeout(resolve, 5000));
  const pid = gantry.process.pid ?? 0;
  const before = await cpuTicks(pid);
  await new Promise((resolve) => setTimeout(resolve, IDLE_SECONDS * 1000));
  const cpuShare = ((await cpuTicks(pid)) - before) / TICKS_PER_SECOND / IDLE_SECONDS;
  const memory = await residentMib(pid);
  await gantry.stop();
  await rm(root, { recursive: true, force: true });
  return [
    { name: "gantry up from nothing, both APIs and node Ready, and down", unit: "ms", values: fresh },
    { name: "gantry up as it reports it", unit: "ms", values: [startupMs], goal: "1500 ms" },
    { name: "resident memory, idle", unit: "MiB", values: [memory], goal: "150 MiB" },
    { name: "processor, idle, share of a core", unit: "%", values: [cpuShare * 100], goal: "1 %" },
  ];
}

async function cpuTicks(pid: number): Promise<number> {
  const fields = (await readFile(`/proc/${pid}/stat`, "utf8")).split(") ")[1]?.split(" ") ?? [];
  return Number(fields[11]) + Number(fields[12]);
}

async function clusterInProcess(): Promise<Measurement[]> {
  const { createCluster } = await import("#main/create-cluster.ts");
  const values = await time(10, async () => {
    const cluster = await createCluster();
    await cluster.close();
  });
  return [{ name: "createCluster() and close", unit: "ms", values, goal: "250 ms" }];
}
