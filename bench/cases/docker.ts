import { readFile } from "node:fs/promises";
import { request } from "node:http";
import { startGantry } from "#test/gantry.ts";
import { testImage } from "#test/images.ts";
import { time, type Case, type Measurement } from "../measure.ts";
import { startDockerd } from "../peers.ts";

export const cases: readonly Case[] = [{ name: "docker run and the container's life over the socket", run: dockerRun }];

async function dockerRun(): Promise<Measurement[]> {
  const image = await testImage("busybox");
  const gantry = await startGantry({ flags: ["--no-kubernetes"] });
  await gantry.docker("load", "-i", image);
  const out = await measure("gantry", gantry.docker, gantry.status.dockerSocket ?? "");
  await gantry.stop();
  const dockerd = await startDockerd();
  if (dockerd) {
    await dockerd.docker("load", "-i", image);
    out.push(...(await measure("dockerd", dockerd.docker, dockerd.socket)));
    await dockerd.stop();
  }
  return out;
}

type Docker = (...args: string[]) => Promise<{ code: number; stderr: string }>;

async function measure(who: string, docker: Docker, socket: string): Promise<Measurement[]> {
  const ok = async (result: Promise<{ code: number; stderr: string }>): Promise<void> => {
    const { code, stderr } = await result;
    if (code !== 0) throw new Error(stderr);
  };
  const cli = await time(20, () => ok(docker("run", "--rm", "busybox", "true")));
  const none = await time(30, () => life(socket, "none"));
  const bridge = await time(30, () => life(socket, "bridge"));
  const id = await created(socket, { Image: "busybox", Cmd: ["sleep", "600"], HostConfig: { NetworkMode: "none" } });
  await api(socket, "POST", `/containers/${id}/start`);
  const exec = await time(30, () => execOnce(socket, id));
  await api(socket, "DELETE", `/containers/${id}?force=1`);
  return [
    { name: `${who}: docker run --rm busybox true (real CLI)`, unit: "ms", values: cli, goal: "150 ms" },
    { name: `${who}: create+start+wait+remove, network none`, unit: "ms", values: none, goal: "25 ms" },
    { name: `${who}: create+start+wait+remove, bridge`, unit: "ms", values: bridge, goal: "40 ms" },
    { name: `${who}: exec over the socket`, unit: "ms", values: exec, goal: "12 ms" },
  ];
}

async function life(socket: string, network: string): Promise<void> {
  const id = await created(socket, { Image: "busybox", Cmd: ["true"], HostConfig: { NetworkMode: network } });
  await api(socket, "POST", `/containers/${id}/start`);
  await api(socket, "POST", `/containers/${id}/wait`);
  await api(socket, "DELETE", `/containers/${id}`);
}

async function execOnce(socket: string, id: string): Promise<void> {
  const { Id } = JSON.parse(
    await api(socket, "POST", `/containers/${id}/exec`, { Cmd: ["true"], AttachStdout: true }),
  ) as { Id: string };
  await api(socket, "POST", `/exec/${Id}/start`, { Detach: false, Tty: false });
}

async function created(socket: string, body: object): Promise<string> {
  return (JSON.parse(await api(socket, "POST", "/containers/create", body)) as { Id: string }).Id;
}

function api(socketPath: string, method: string, path: string, body?: object): Promise<string> {
  return new Promise((resolve, reject) => {
    const payload = body ? JSON.stringify(body) : undefined;
    const call = request(
      {
        socketPath,
        method,
        path: `/v1.41${path}`,
        headers: payload ? { "content-type": "application/json", "content-length": Buffer.byteLength(payload) } : {},
      },
      (response) => {
        let text = "";
        response.on("data", (chunk: Buffer) => (text += chunk.toString()));
        response.on("end", () =>
          (response.statusCode ?? 500) < 400
            ? resolve(text)
            : reject(new Error(`${method} ${path}: ${response.statusCode} ${text}`)),
        );
      },
    );
    call.on("error", reject);
    call.end(payload);
  });
}

/** Resident memory of a process, in MiB. */
export async function residentMib(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? Number.NaN) / 1024;
}
