import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run, type Result } from "#test/gantry.ts";

/** Whether a peer is installed. */
export function installed(command: string): boolean {
  return spawnSync("sh", ["-c", `command -v ${command}`]).status === 0;
}

export interface Dockerd {
  docker(...args: string[]): Promise<Result>;
  readonly socket: string;
  readonly root: string;
  readonly pid: number;
  stop(): Promise<void>;
}

/** Starts a dockerd with a root and socket of its own in this process's network namespace; undefined when it is not installed or will not start. */
export async function startDockerd(): Promise<Dockerd | undefined> {
  if (!installed("dockerd")) return undefined;
  const root = mkdtempSync(join(tmpdir(), "peer-dockerd-"));
  const socket = join(root, "docker.sock");
  const child = spawn(
    "dockerd",
    [
      "--data-root",
      join(root, "data"),
      "--exec-root",
      join(root, "exec"),
      "--pidfile",
      join(root, "pid"),
      "-H",
      `unix://${socket}`,
    ],
    { stdio: "ignore" },
  );
  const env = { ...process.env, DOCKER_HOST: `unix://${socket}` };
  for (let attempt = 0; attempt < 100; attempt++) {
    if (child.exitCode !== null) return undefined;
    if (existsSync(socket) && (await run("docker", ["version"], env)).code === 0) break;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  return {
    socket,
    root,
    pid: child.pid ?? 0,
    docker: (...args) => run("docker", args, env),
    async stop() {
      const exit = new Promise((resolve) => child.once("exit", resolve));
      child.kill("SIGTERM");
      await exit;
      rmSync(root, { recursive: true, force: true });
    },
  };
}
