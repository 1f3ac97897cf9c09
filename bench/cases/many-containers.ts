import { execFileSync } from "node:child_process";
import { readFile, readdir } from "node:fs/promises";
import { request } from "node:http";
import { startGantry } from "#test/gantry.ts";
import { testImage } from "#test/images.ts";
import { time, type Case, type Measurement } from "../measure.ts";

export const cases: readonly Case[] = [
  { name: "many running containers: list, memory, idle cost", run: manyContainers },
];

/** Containers that run; GANTRY_BENCH_CONTAINERS for another number. */
const COUNT = Number(process.env["GANTRY_BENCH_CONTAINERS"] ?? 500);
/** Of which the idle cost is measured. */
const IDLE_COUNT = 100;
const IDLE_MS = 10_000;

async function manyContainers(): Promise<Measurement[]> {
  const gantry = await startGantry({ flags: ["--no-kubernetes"] });
  try {
    await gantry.docker("load", "-i", await testImage("busybox"));
    const socket = gantry.status.dockerSocket ?? "";
    const daemon = gantry.process.pid ?? 0;
    const before = (await proportionalKib(daemon)) / 1024;
    await start(socket, IDLE_COUNT);
    const idle = await idlePercent(daemon);
    await start(socket, COUNT - IDLE_COUNT);
    const list = await time(20, () => call(socket, "GET", "/containers/json"));
    const shims = await shimPids(gantry.root);
    const shimKib = await Promise.all(shims.map(proportionalKib));
    const daemonGrowthKib = (await proportionalKib(daemon)) - before * 1024;
    const perContainer = (shimKib.reduce((sum, kib) => sum + kib, 0) + Math.max(0, daemonGrowthKib)) / COUNT / 1024;
    return [
      { name: `GET /containers/json with ${COUNT} running`, unit: "ms", values: list, goal: "10 ms" },
      { name: "memory of a shim (proportional)", unit: "MiB", values: shimKib.map((kib) => kib / 1024) },
      { name: "memory of a container outside its workload", unit: "MiB", values: [perContainer], goal: "1 MiB" },
      { name: `${IDLE_COUNT} idle containers: CPU of daemon and shims`, unit: "%", values: [idle], goal: "1 %" },
    ];
  } finally {
    await gantry.stop();
  }
}

async function start(socket: string, count: number): Promise<void> {
  const body = { Image: "busybox", Cmd: ["sleep", "3600"], HostConfig: { NetworkMode: "none" } };
  for (let index = 0; index < count; index++) {
    const { Id } = JSON.parse(await call(socket, "POST", "/containers/create", body)) as { Id: string };
    await call(socket, "POST", `/containers/${Id}/start`);
  }
}

/** Share of one core that the daemon and all its shims take while nothing happens. */
async function idlePercent(daemon: number): Promise<number> {
  const pids = [daemon, ...(await childrenNamed("shim"))];
  const before = await cpuMillis(pids);
  await new Promise((resolve) => setTimeout(resolve, IDLE_MS));
  return ((await cpuMillis(pids)) - before) / (IDLE_MS / 100);
}

const MILLIS_PER_TICK = 1000 / Number(execFileSync("getconf", ["CLK_TCK"], { encoding: "utf8" }));

async function cpuMillis(pids: readonly number[]): Promise<number> {
  const each = await Promise.all(
    pids.map(async (pid) => {
      const fields = (await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "")).split(") ")[1]?.split(" ") ?? [];
      return (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) * MILLIS_PER_TICK;
    }),
  );
  return each.reduce((sum, millis) => sum + millis, 0);
}

/** Shims name their directory among their arguments. */
async function shimPids(root: string): Promise<number[]> {
  return pidsWhere((command) => command.includes(`${root}/run/shims/`));
}

const childrenNamed = (word: string): Promise<number[]> =>
  pidsWhere((command) => command.includes("/shims/") && command.includes(word));

async function pidsWhere(matches: (command: string) => boolean): Promise<number[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name)).map(Number);
  const found = await Promise.all(
    pids.map(async (pid) => matches(await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => ""))),
  );
  return pids.filter((_, index) => found[index]);
}

/** Memory of a process, with what it shares counted in parts (proc(5), smaps_rollup: Pss). */
async function proportionalKib(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/smaps_rollup`, "utf8").catch(() => "");
  return Number(/^Pss:\s+(\d+) kB$/m.exec(text)?.[1] ?? 0);
}

function call(socketPath: string, method: string, path: string, body?: object): Promise<string> {
  const payload = body ? JSON.stringify(body) : "";
  const headers = body ? { "content-type": "application/json", "content-length": Buffer.byteLength(payload) } : {};
  return new Promise((resolve, reject) => {
    const sent = request({ socketPath, method, path: `/v1.45${path}`, headers }, (response) => {
      let text = "";
      response.on("data", (chunk: Buffer) => (text += chunk.toString()));
      response.on("end", () =>
        (response.statusCode ?? 500) < 400 ? resolve(text) : reject(new Error(`${method} ${path}: ${text}`)),
      );
    });
    sent.on("error", reject);
    sent.end(payload);
  });
}
