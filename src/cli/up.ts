import { spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync } from "node:fs";
import { dirname } from "node:path";
import { GantryError } from "#base/errors.ts";
import { readStatus } from "./control-client.ts";
import type { CliPorts, GantryStatus, UpOptions } from "./ports.ts";
import { styleFor } from "./style.ts";

/** `gantry up`: runs here until it is stopped. Ctrl-C stops it and what it runs; SIGTERM stops only Gantry (containers run on). */
export async function up(ports: CliPorts, options: UpOptions): Promise<number> {
  const gantry = await ports.start(options);
  ports.out.write(greeting(ports, options, gantry.status));
  // With `up -d` the parent waits for this message.
  process.send?.({ ready: gantry.status });
  const stop = (containers: boolean) => () => void gantry.stop({ containers });
  process.once("SIGINT", stop(true));
  process.once("SIGTERM", stop(false));
  await gantry.stopped;
  return 0;
}

/** `gantry up -d`: starts it in the background and returns when it is ready. */
export async function upDetached(ports: CliPorts, options: UpOptions): Promise<number> {
  const running = await readStatus(options.places);
  if (running) {
    ports.out.write(`Gantry already runs (pid ${running.pid}).\n`);
    return 0;
  }
  ports.out.write(greeting(ports, options, await startDetached(options)));
  return 0;
}

function startDetached(options: UpOptions): Promise<GantryStatus> {
  mkdirSync(dirname(options.places.logFile), { recursive: true, mode: 0o700 });
  const log = openSync(options.places.logFile, "a", 0o600);
  const args = process.argv.slice(1).filter((argument) => argument !== "-d" && argument !== "--detach");
  const child = spawn(process.execPath, [...process.execArgv, ...args], {
    detached: true,
    stdio: ["ignore", log, log, "ipc"],
  });
  closeSync(log);
  return new Promise((resolve, reject) => {
    child.on("message", (message: { ready?: GantryStatus }) => {
      if (!message.ready) return;
      child.disconnect();
      child.unref();
      resolve(message.ready);
    });
    child.on("error", reject);
    child.on("exit", (code) =>
      reject(
        new GantryError(
          "unavailable",
          `Gantry did not start (exit code ${code}); the end of ${options.places.logFile} says:\n${lastLines(options.places.logFile)}`,
        ),
      ),
    );
  });
}

function lastLines(path: string): string {
  return readFileSync(path, "utf8").trimEnd().split("\n").slice(-5).join("\n");
}

/** What it serves, and the next three things to try. */
function greeting(ports: CliPorts, { places, root }: UpOptions, status: GantryStatus): string {
  const { bold, dim, green } = styleFor(ports.out);
  const lines = [`${green("Gantry is up")} ${dim(`in ${(status.startupMs / 1000).toFixed(2)} s`)}`];
  if (status.dockerSocket)
    lines.push(
      `  Docker API      unix://${status.dockerSocket}${status.defaultDockerSocket ? ` and ${status.defaultDockerSocket}` : ""}`,
    );
  if (status.apiServer)
    lines.push(
      `  Kubernetes API  ${status.apiServer}   ${dim(`kubeconfig ${status.kubeconfig}, context ${status.context ?? "gantry"}`)}`,
    );
  const isDefault = places.instance === "";
  if (isDefault && status.dockerSocket && !status.defaultDockerSocket)
    lines.push(
      `  ${dim("/var/run/docker.sock is another program's and stays so: docker comes here with DOCKER_HOST, as below")}`,
    );
  lines.push("", "Try:");
  if (!status.defaultDockerSocket || status.context === undefined) {
    const command = `eval "$(npx gantry env${isDefault ? "" : ` --root ${root}`})"`;
    lines.push(`  ${bold(command)}   ${dim("# points docker and kubectl here")}`);
  }
  if (status.dockerSocket)
    lines.push(`  ${bold("docker import rootfs.tar.gz mine && docker run --rm mine echo hello")}`);
  if (status.apiServer)
    lines.push(
      `  ${bold("kubectl get nodes -o wide")}`,
      `  ${bold("kubectl run web --image=mine --image-pull-policy=Never && kubectl get pods -w")}`,
    );
  return `${lines.join("\n")}\n`;
}
