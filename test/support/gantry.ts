/** A whole Gantry for a test file: its own root, its own network (see isolated-network.ts), ended with the file. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { placesFor } from "#base/places.ts";
import { requestStop } from "#cli/control-client.ts";
import type { GantryStatus } from "#cli/ports.ts";
import { enterFreshHost } from "./isolated-network.ts";

const project = new URL("../../", import.meta.url).pathname;

export interface TestGantry {
  readonly root: string;
  readonly status: GantryStatus;
  readonly process: ChildProcess;
  /** Runs the real docker CLI against it. */
  docker(...args: string[]): Promise<Result>;
  /** Runs the real kubectl against it. */
  kubectl(...args: string[]): Promise<Result>;
  /** Runs any command with DOCKER_HOST and KUBECONFIG set. */
  run(command: string, args: readonly string[], options?: RunOptions): Promise<Result>;
  readonly env: NodeJS.ProcessEnv;
  /** kill -9 of the daemon; containers run on. */
  kill(): Promise<void>;
  /** Starts it again on the same root. */
  restart(): Promise<void>;
  /** Stops it and everything that it runs; its files stay until `stop` or the end of the test file. */
  stopDaemon(): Promise<void>;
  /** Stops it and everything that it runs, and removes its files. */
  stop(): Promise<void>;
}

export interface RunOptions {
  readonly input?: string | Buffer;
  readonly timeoutMs?: number;
}

export interface Result {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

const running = new Set<TestGantry>();
after(async () => {
  for (const gantry of running) await gantry.stop();
});

let isolated = false;

/** Starts a Gantry. The first call moves this test file into a network namespace of its own. */
export async function startGantry(
  options: { flags?: readonly string[]; root?: string; wrap?: (root: string) => readonly string[] } = {},
): Promise<TestGantry> {
  if (!isolated) {
    await enterFreshHost();
    isolated = true;
  }
  const root = options.root ?? (await mkdtemp(join(tmpdir(), "gantry-test-")));
  const flags = options.flags ?? [];
  // A command that starts what it is given as its further arguments.
  const wrap = options.wrap?.(root) ?? [];
  let daemon = await launch(root, flags, wrap);
  const env: NodeJS.ProcessEnv = {
    ...process.env,
    DOCKER_HOST: `unix://${root}/run/docker.sock`,
    KUBECONFIG: join(root, "kubeconfig"),
    HOME: root,
  };
  const gantry: TestGantry = {
    root,
    env,
    get status() {
      return daemon.status;
    },
    get process() {
      return daemon.process;
    },
    docker: (...args) => run("docker", args, env),
    kubectl: (...args) => run("kubectl", args, env),
    run: (command, args, runOptions) => run(command, args, env, runOptions),
    async kill() {
      const exit = once(daemon.process, "exit");
      daemon.process.kill("SIGKILL");
      await exit;
    },
    async restart() {
      daemon = await launch(root, flags, wrap);
    },
    async stopDaemon() {
      if (daemon.process.exitCode === null && daemon.process.signalCode === null) {
        const exit = once(daemon.process, "exit");
        await requestStop(placesFor(root), { containers: true, timeoutSeconds: 0 });
        await exit;
      }
    },
    async stop() {
      running.delete(gantry);
      await gantry.stopDaemon();
      if (options.root === undefined) await rm(root, { recursive: true, force: true });
    },
  };
  running.add(gantry);
  return gantry;
}

async function launch(
  root: string,
  flags: readonly string[],
  wrap: readonly string[],
): Promise<{ process: ChildProcess; status: GantryStatus }> {
  const [command = "", ...args] = [...wrap, join(project, "bin/gantry"), "--root", root, "up", "--api-port", "0"];
  const child = spawn(command, [...args, ...flags], {
    stdio: ["ignore", "ignore", "pipe", "ipc"],
    env: { ...process.env, GANTRY_SOURCE: process.env["GANTRY_SOURCE"] ?? "1" },
  });
  let errors = "";
  child.stderr?.on("data", (chunk: Buffer) => (errors = (errors + chunk.toString()).slice(-16_384)));
  const status = await new Promise<GantryStatus>((resolve, reject) => {
    child.on("message", (message: { ready?: GantryStatus }) => message.ready && resolve(message.ready));
    child.on("exit", (code) => reject(new Error(`gantry up ended with ${code}:\n${errors}`)));
    child.on("error", reject);
  });
  child.disconnect();
  if (process.env["GANTRY_TEST_LOG"]) child.stderr?.pipe(process.stderr);
  return { process: child, status };
}

/** Runs a command to its end. Never throws for an exit code; does for a command that cannot be run. */
export function run(
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  options: RunOptions = {},
): Promise<Result> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      env,
      stdio: ["pipe", "pipe", "pipe"],
      timeout: options.timeoutMs ?? 60_000,
      killSignal: "SIGKILL",
    });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout.on("data", (chunk: Buffer) => out.push(chunk));
    child.stderr.on("data", (chunk: Buffer) => err.push(chunk));
    child.stdin.on("error", () => child.stdin.destroy());
    child.stdin.end(options.input);
    child.on("error", reject);
    child.on("close", (code, signal) =>
      resolve({
        code: code ?? (signal === "SIGKILL" ? -9 : -1),
        stdout: Buffer.concat(out).toString(),
        stderr: Buffer.concat(err).toString(),
      }),
    );
  });
}

/** The kubeconfig text of a test Gantry. */
export function kubeconfigOf(gantry: TestGantry): Promise<string> {
  return readFile(join(gantry.root, "kubeconfig"), "utf8");
}
