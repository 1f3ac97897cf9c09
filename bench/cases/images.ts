// Figures of issue 4: load, pull, push of a large image; builds without a change, and what a build adds to its commands' own time.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pack } from "tar-stream";
import { run, startGantry, type Result, type TestGantry } from "#test/gantry.ts";
import { testImage } from "#test/images.ts";
import { time, type Case, type Measurement } from "../measure.ts";
import { startDockerd } from "../peers.ts";
import { makeBigImage } from "../support/big-image.ts";

export const cases: readonly Case[] = [
  { name: "images: load, push, pull", run: transfers },
  { name: "images: builds", run: builds },
];

/** BENCH_IMAGE_MB=1000 is issue 4's; less says the same sooner. */
const MEGABYTES = Number(process.env["BENCH_IMAGE_MB"] ?? 300);
const LAYERS = 10;
const REGISTRY = "localhost:5055";

type Docker = (...args: string[]) => Promise<Result>;

async function transfers(): Promise<Measurement[]> {
  const folder = mkdtempSync(join(tmpdir(), "bench-images-"));
  const out: Measurement[] = [];
  try {
    const archive = await makeBigImage(folder, { megabytes: MEGABYTES, layers: LAYERS });
    const gantry = await startGantry({ flags: ["--no-kubernetes"] });
    const registry = await startGantry({
      flags: ["--no-kubernetes", "--registry-listen", "5055", "--bip", "172.31.0.1/16"],
    });
    out.push(...(await measure("gantry", gantry.docker, archive)));
    await gantry.stop();
    const dockerd = await startDockerd();
    if (dockerd) {
      out.push(...(await measure("dockerd", dockerd.docker, archive)));
      await dockerd.stop();
    }
    await registry.stop();
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return out;
}

async function measure(who: string, docker: Docker, archive: string): Promise<Measurement[]> {
  const name = `${REGISTRY}/${who}/big:1`;
  const load = await timed(() => ok(docker("load", "-q", "-i", archive)));
  await ok(docker("tag", "big:1", name));
  const push = await timed(() => ok(docker("push", "-q", name)));
  await ok(docker("rmi", name, "big:1"));
  const pull = await timed(() => ok(docker("pull", "-q", name)));
  await ok(docker("rmi", name));
  const rate = (ms: number): number[] => [MEGABYTES / (ms / 1000)];
  return [
    { name: `${who}: load of ${MEGABYTES} MB in ${LAYERS} layers`, unit: "MB/s", values: rate(load) },
    { name: `${who}: push to a registry on this machine`, unit: "MB/s", values: rate(push) },
    { name: `${who}: pull from it`, unit: "MB/s", values: rate(pull) },
  ];
}

async function timed(task: () => Promise<void>): Promise<number> {
  const started = performance.now();
  await task();
  return performance.now() - started;
}

async function ok(result: Promise<Result>): Promise<void> {
  const { code, stderr } = await result;
  if (code !== 0) throw new Error(stderr);
}

const STEPS = Array.from({ length: 19 }, (_, step) =>
  step % 2 === 0 ? `RUN echo ${step} > /step-${step}` : `COPY file /copy-${step}`,
);
const UNCHANGED = `FROM busybox\n${STEPS.join("\n")}\n`;
const SLEEPS = 8;
const COLD = `FROM busybox\n${`RUN sleep 0.5\n`.repeat(SLEEPS)}`;

async function builds(): Promise<Measurement[]> {
  const gantry = await startGantry({ flags: ["--no-kubernetes"] });
  const out = await buildsOf("gantry", gantry.status.dockerSocket ?? "", gantry.docker);
  out.push(...(await graphBuilds(gantry)));
  await gantry.stop();
  const dockerd = await startDockerd();
  if (dockerd) {
    out.push(...(await buildsOf("dockerd (classic builder)", dockerd.socket, dockerd.docker)));
    await dockerd.stop();
  }
  return out;
}

async function buildsOf(who: string, socket: string, docker: Docker): Promise<Measurement[]> {
  await ok(docker("load", "-i", await testImage("busybox")));
  await build(socket, UNCHANGED);
  const unchanged = await time(20, () => build(socket, UNCHANGED));
  const cold = await time(2, () => build(socket, COLD, "nocache=1"), 0);
  return [
    { name: `${who}: rebuild of 20 steps without a change`, unit: "ms", values: unchanged, goal: "150 ms" },
    {
      name: `${who}: cold build, beyond its commands' ${SLEEPS / 2} s`,
      unit: "%",
      values: cold.map((ms) => (ms / (SLEEPS * 500) - 1) * 100),
      goal: "10 %",
    },
  ];
}

/** With the command's own start. */
async function graphBuilds(gantry: TestGantry): Promise<Measurement[]> {
  const context = mkdtempSync(join(tmpdir(), "bench-context-"));
  writeFileSync(join(context, "Dockerfile"), UNCHANGED);
  writeFileSync(join(context, "file"), "text");
  const bin = new URL("../../bin/gantry", import.meta.url).pathname;
  const values = await time(5, () =>
    ok(run(bin, ["--root", gantry.root, "build", "-q", context], { ...gantry.env, GANTRY_SOURCE: "1" })),
  );
  rmSync(context, { recursive: true });
  return [{ name: "gantry build: the same, from the command line", unit: "ms", values }];
}

function build(socketPath: string, dockerfile: string, query = ""): Promise<void> {
  const archive = pack();
  archive.entry({ name: "Dockerfile" }, dockerfile);
  archive.entry({ name: "file" }, "text");
  archive.finalize();
  return new Promise((resolve, reject) => {
    const call = request({ socketPath, method: "POST", path: `/build?${query}` }, (response) => {
      let text = "";
      response.on("data", (chunk: Buffer) => (text += chunk.toString()));
      response.on("end", () => (text.includes("errorDetail") ? reject(new Error(text)) : resolve()));
    });
    call.on("error", reject);
    archive.pipe(call);
  });
}
