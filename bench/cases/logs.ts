import { readFileSync } from "node:fs";
import { request } from "node:http";
import { startGantry } from "#test/gantry.ts";
import { testImage } from "#test/images.ts";
import type { Case, Measurement } from "../measure.ts";
import { startDockerd } from "../peers.ts";

export const cases: readonly Case[] = [{ name: "logs: following a fast writer, reading a large log", run: logs }];

/** Lines of the log: about 1 GB as json-file. */
const LINES = 6_500_000;
const WRITE = `yes 'line number 123456789 of some usual length, as programs write' | head -n ${LINES}`;

type Docker = (...args: string[]) => Promise<{ code: number; stdout: string; stderr: string }>;

interface Daemon {
  readonly who: string;
  readonly docker: Docker;
  readonly socket: string;
  readonly pid: number;
}

async function logs(): Promise<Measurement[]> {
  const image = await testImage("busybox");
  const gantry = await startGantry({ flags: ["--no-kubernetes"] });
  await gantry.docker("load", "-i", image);
  const socket = gantry.status.dockerSocket ?? "";
  const out = await measure({ who: "gantry", docker: gantry.docker, socket, pid: gantry.process.pid ?? 0 });
  await gantry.stop();
  const dockerd = await startDockerd();
  if (!dockerd) return out;
  await dockerd.docker("load", "-i", image);
  out.push(...(await measure({ who: "dockerd", ...dockerd })));
  await dockerd.stop();
  return out;
}

async function measure({ who, docker, socket, pid }: Daemon): Promise<Measurement[]> {
  const { stdout, stderr, code } = await docker("create", "busybox", "sh", "-c", WRITE);
  if (code !== 0) throw new Error(stderr);
  const id = stdout.trim();
  await docker("start", id);
  const followed = await read(socket, pid, `/containers/${id}/logs?follow=1&stdout=1&stderr=1`);
  const whole = await read(socket, pid, `/containers/${id}/logs?stdout=1&stderr=1`);
  await docker("rm", "-f", id);
  return [
    { name: `${who}: logs -f`, unit: "/s", values: [followed.lines / followed.seconds], goal: "500,000/s" },
    { name: `${who}: logs of ${LINES} lines`, unit: "/s", values: [whole.lines / whole.seconds] },
    { name: `${who}: the daemon's processor time for them`, unit: "ms", values: [whole.cpuMs], goal: "dockerd's" },
  ];
}

interface Reading {
  readonly lines: number;
  readonly seconds: number;
  readonly cpuMs: number;
}

function read(socketPath: string, pid: number, path: string): Promise<Reading> {
  return new Promise((resolve, reject) => {
    const [started, before] = [performance.now(), cpuMs(pid)];
    let lines = 0;
    const call = request({ socketPath, path: `/v1.41${path}` }, (response) => {
      response.on("data", (chunk: Buffer) => {
        for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, at + 1)) lines++;
      });
      response.on("end", () => {
        if (lines < LINES) return reject(new Error(`${lines} lines of ${LINES}`));
        resolve({ lines, seconds: (performance.now() - started) / 1000, cpuMs: cpuMs(pid) - before });
      });
    });
    call.on("error", reject);
    call.end();
  });
}

/** Processor time that a process has had, in hundredths of a second: fields 14 and 15 of /proc/PID/stat. */
function cpuMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) * 10;
}
