/** Containers for tests of the runtime: a busybox root, a shim, a cgroup; everything is gone afterwards, even on failure. */
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { execFileSync } from "node:child_process";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import { planLaunch, type LaunchHost } from "../../src/containers/launch.ts";
import { defaultSeccomp } from "../../src/containers/plan/default-seccomp.ts";
import { MASKED_PATHS, READONLY_PATHS } from "#formats/docker-defaults.ts";
import { DEFAULT_MOUNTS, DEVICE_RULES } from "../../src/containers/spec/defaults.ts";
import { DEFAULT_CAPABILITIES } from "#formats/docker-capabilities.ts";
import type { OciLinux, OciProcess, OciSpec } from "#formats/oci-spec.ts";
import { createCgroup, openCgroup, type Cgroup } from "#linux/cgroups.ts";
import { isSyscallError, kill } from "#linux/syscalls.ts";
import {
  startShim,
  type ProcessExit,
  type ProcessIo,
  type Shim,
  type ShimEvent,
  type ShimProcess,
} from "#linux/shim.ts";

/** Why the tests cannot run here; undefined when they can. */
export const skipRuntime: string | undefined =
  process.getuid?.() !== 0 ? "needs root" : existsSync("/bin/busybox") ? undefined : "needs busybox-static";

export interface TestContainer {
  /** Removed at the end. */
  readonly directory: string;
  readonly root: string;
  readonly spec: OciSpec;
  readonly shim: Shim;
  readonly cgroup: Cgroup;
  readonly host: LaunchHost;
  readonly events: ShimEvent[];
  start(io?: Partial<ProcessIo>): Promise<ShimProcess>;
  exit(id?: string): Promise<ProcessExit>;
  /** The decoded log so far. */
  log(): string;
}

export interface ContainerOptions {
  readonly args: readonly string[];
  readonly process?: Partial<OciProcess>;
  readonly linux?: Partial<OciLinux>;
  readonly spec?: Partial<OciSpec>;
  readonly host?: Partial<LaunchHost>;
  /** Changes the root before it is used. */
  readonly prepare?: (root: string) => void;
  /** "bind": the root is a directory; "overlay" (default): it is the lower layer of one. */
  readonly root?: "bind" | "overlay";
}

/** A root file system with busybox and its links in /bin. */
export function busyboxRoot(root: string): void {
  for (const directory of ["bin", "etc", "tmp", "proc", "sys", "dev"])
    mkdirSync(join(root, directory), { recursive: true });
  copyFileSync("/bin/busybox", join(root, "bin/busybox"));
  for (const applet of execFileSync("/bin/busybox", ["--list"], { encoding: "utf8" }).split("\n")) {
    if (applet !== "" && applet !== "busybox") symlinkSync("busybox", join(root, "bin", applet));
  }
  writeFileSync(join(root, "etc/passwd"), "root:x:0:0:root:/root:/bin/sh\n");
}

let counter = 0;

/** Runs `body` with a container that is made, but not started. */
export async function withContainer(
  options: ContainerOptions,
  body: (container: TestContainer) => Promise<void>,
): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "gantry-runtime-"));
  const path = `/gantry-runtime-${process.pid}-${counter++}`;
  let [cgroup, shim]: [Cgroup | undefined, Shim | undefined] = [undefined, undefined];
  try {
    const root = prepareRoot(directory, options);
    const spec = specOf(options, root);
    cgroup = createCgroup(path, spec.linux?.resources ?? {});
    mkdirSync(join(directory, "shim"), { mode: 0o700 });
    shim = await startShim(join(directory, "shim"));
    await body(testContainer(directory, root, spec, cgroup, shim, options));
  } finally {
    await cgroup?.kill();
    if (shim) endShim(shim);
    await openCgroup(path).remove();
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Exits that the test did not acknowledge would keep it. */
function endShim(shim: Shim): void {
  shim.disconnect();
  try {
    kill(shim.pid, 9);
  } catch (error) {
    if (!isSyscallError(error, "ESRCH")) throw error;
  }
}

function prepareRoot(directory: string, options: ContainerOptions): string {
  const root = join(directory, "root");
  busyboxRoot(root);
  options.prepare?.(root);
  for (const name of ["upper", "work"]) mkdirSync(join(directory, name));
  return root;
}

function specOf({ args, process = {}, linux = {}, spec = {} }: ContainerOptions, root: string): OciSpec {
  const capabilities = [...DEFAULT_CAPABILITIES];
  return {
    ociVersion: "1.2.0",
    root: { path: root },
    hostname: "box",
    mounts: [...DEFAULT_MOUNTS],
    ...spec,
    process: {
      user: { uid: 0, gid: 0 },
      args: [...args],
      env: ["PATH=/bin", "HOME=/"],
      cwd: "/",
      capabilities: { bounding: capabilities, effective: capabilities, permitted: capabilities },
      ...process,
    },
    linux: {
      namespaces: (["mount", "network", "uts", "ipc", "pid", "cgroup"] as const).map((type) => ({ type })),
      maskedPaths: [...MASKED_PATHS],
      readonlyPaths: [...READONLY_PATHS],
      seccomp: defaultSeccomp(capabilities),
      ...linux,
      resources: { devices: [...DEVICE_RULES], ...linux.resources },
    },
  };
}

function testContainer(
  directory: string,
  root: string,
  spec: OciSpec,
  cgroup: Cgroup,
  shim: Shim,
  options: ContainerOptions,
): TestContainer {
  const events: ShimEvent[] = [];
  const waiting = new Map<string, (exit: ProcessExit) => void>();
  const exits = new Map<string, ProcessExit>();
  shim.events.on((event) => {
    events.push(event);
    if (event.kind !== "exit") return;
    exits.set(event.id, event.exit);
    waiting.get(event.id)?.(event.exit);
  });
  const overlay = {
    kind: "overlay",
    lower: [root],
    upper: join(directory, "upper"),
    work: join(directory, "work"),
  } as const;
  const host: LaunchHost = {
    id: "test",
    pause: "none",
    cgroup,
    ...(options.root !== "bind" && { root: overlay }),
    ...options.host,
  };
  const logPath = join(directory, "log");
  return {
    directory,
    root,
    spec,
    shim,
    cgroup,
    host,
    events,
    start: (io = {}) =>
      shim.spawn("init", planLaunch(spec, host), {
        stdin: "none",
        log: { path: logPath, maxBytes: 0, maxFiles: 1 },
        ...io,
      }),
    exit(id = "init") {
      const known = exits.get(id);
      return known ? Promise.resolve(known) : new Promise((resolve) => waiting.set(id, resolve));
    },
    log: () =>
      readFileSync(logPath, "utf8")
        .split("\n")
        .filter(Boolean)
        .map((line) => (JSON.parse(line) as { log: string }).log)
        .join(""),
  };
}

/** Starts a container, waits for its end, and returns what it wrote and how it ended. */
export async function runContainer(options: ContainerOptions): Promise<{ output: string; exit: ProcessExit }> {
  let result: { output: string; exit: ProcessExit } | undefined;
  await withContainer(options, async (container) => {
    await container.start();
    const exit = await container.exit();
    await container.shim.acknowledge("init");
    result = { output: container.log(), exit };
  });
  if (!result) throw new Error("the container did not end");
  return result;
}

/** Everything that comes out of a stream. */
export async function readAll(stream: Duplex): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** Waits for something that nothing tells of; fails after ten seconds. */
export async function until(holds: () => boolean): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!holds()) {
    if (performance.now() > deadline) throw new Error(`not within ten seconds: ${holds.toString()}`);
    await delay(5);
  }
}
