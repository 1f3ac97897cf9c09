import type { Duplex } from "node:stream";
import { GantryError } from "#base/errors.ts";
import { hexId } from "#base/ids.ts";
import type { OciProcess, OciSpec } from "#formats/oci-spec.ts";
import type { ProcessIo } from "#linux/shim.ts";
import { close, isSyscallError, O_DIRECTORY, O_PATH, open } from "#linux/syscalls.ts";
import type { Exec, ExecConfig } from "../engine.ts";
import { readBounded } from "../files/read-bounded.ts";
import { planExec } from "../launch.ts";
import { containerEvent, type EngineContext } from "../lifecycle/context.ts";
import { notRunning, shimOf, type Entry } from "../lifecycle/entry.ts";
import { seccompOf, USER_FILE_BYTES } from "../lifecycle/facts.ts";
import { startFailure } from "../lifecycle/start-error.ts";
import { buildSpec, capabilitySets } from "../spec/build-spec.ts";
import { environment } from "../spec/environment.ts";
import { heldCapabilities } from "../spec/held-capabilities.ts";
import { resolveUser, type ProcessUser } from "../spec/users.ts";
import { forgetExec, writeExec } from "./exec-files.ts";
import { execView, type ExecEntry, type ExecStore } from "./exec-store.ts";

/** What runs a process in a container. */
export interface Execs {
  create(containerId: string, config: ExecConfig): Exec;
  get(id: string): Exec;
  start(
    id: string,
    options: { detach: boolean; terminal?: { rows: number; columns: number } },
  ): Promise<Duplex | undefined>;
  resize(id: string, rows: number, columns: number): Promise<void>;
  wait(id: string): Promise<number>;
  signal(id: string, signal: number): Promise<void>;
}

export function execs(context: EngineContext, store: ExecStore): Execs {
  return {
    create(containerId, config) {
      const entry = context.registry.entry(containerId);
      refuseExec(entry);
      if (config.args.length === 0 || config.args[0] === "")
        throw new GantryError("invalid", "No exec command specified", { container: containerId });
      if (config.user && "pid" in entry.record.state) execUser(entry, config, entry.record.state.pid);
      const exec = store.add(hexId(context.random), entry, config);
      containerEvent(context, entry, `exec_create: ${commandText(config.args)}`, { execID: exec.id });
      return execView(exec);
    },
    get: (id) => execView(store.get(id)),
    start: (id, options) => startExec(context, store, store.get(id), options),
    async resize(id, rows, columns) {
      await shimOf(store.get(id).entry).resize(id, rows, columns);
    },
    wait: (id) => store.get(id).ended.promise,
    async signal(id, signal) {
      await shimOf(store.get(id).entry).signal(id, signal);
    },
  };
}

/** The command, a space, its arguments: Docker writes the space without arguments too. */
const commandText = ([command = "", ...args]: readonly string[]): string => `${command} ${args.join(" ")}`;

function refuseExec({ id, record }: Entry): void {
  switch (record.state.status) {
    case "running":
      return;
    case "paused":
      throw new GantryError("conflict", `Container ${id} is paused, unpause the container before exec`, { id });
    case "restarting":
      throw new GantryError("conflict", `Container ${id} is restarting, wait until the container is running`, { id });
    default:
      throw notRunning(id);
  }
}

async function startExec(
  context: EngineContext,
  store: ExecStore,
  exec: ExecEntry,
  options: { detach: boolean; terminal?: { rows: number; columns: number } },
): Promise<Duplex | undefined> {
  const { entry, config } = exec;
  refuseExec(entry);
  if (exec.state.status !== "created")
    throw new GantryError(
      "conflict",
      `Error: Exec command ${exec.id} ${exec.state.status === "running" ? "is already running" : "has already run"}`,
      { exec: exec.id },
    );
  // Taken from here on: a second start finds it running.
  exec.state = { status: "running", pid: 0 };
  containerEvent(context, entry, `exec_start: ${commandText(config.args)}`, { execID: exec.id });
  try {
    return await spawnExec(context, store, exec, options);
  } catch (error) {
    const failure = startFailure(error, config.args[0] ?? "", "exec");
    forgetExec(context.places.shim(entry.id), exec.id);
    store.failed(exec, failure.exitCode === 128 ? 126 : failure.exitCode);
    throw failure.error;
  }
}

async function spawnExec(
  context: EngineContext,
  store: ExecStore,
  exec: ExecEntry,
  { detach, terminal }: { detach: boolean; terminal?: { rows: number; columns: number } },
): Promise<Duplex | undefined> {
  const { entry, config } = exec;
  const shim = shimOf(entry);
  const io: ProcessIo = {
    ...(config.terminal && { terminal: terminal ?? { rows: 0, columns: 0 } }),
    stdin: config.stdin && !detach ? "once" : "none",
    waitForAttach: !detach,
  };
  if (entry.run) entry.run.hasExecs = true;
  writeExec(context.places.shim(entry.id), exec.id, config);
  const { pid } = await shim.spawn(exec.id, execPlan(context, entry, config), io);
  store.started(exec, pid);
  if (detach) return undefined;
  return shim.attach(exec.id, { stdin: config.stdin, stdout: config.stdout, stderr: config.stderr });
}

function execPlan(context: EngineContext, entry: Entry, config: ExecConfig): ReturnType<typeof planExec> {
  const { run, record } = entry;
  if (!run || !("pid" in record.state)) throw notRunning(entry.id);
  const user = execUser(entry, config, record.state.pid);
  const spec = buildSpec(record.config, {
    id: entry.id,
    user,
    mounts: [],
    nameFiles: {},
    joined: {},
    sharedMemory: undefined,
    devices: { nodes: [], rules: [] },
    seccomp: seccompOf(context, entry),
  });
  return planExec(execProcess(entry, config, spec, user), spec, { cgroup: run.cgroup, id: entry.id });
}

function execProcess({ record }: Entry, exec: ExecConfig, spec: OciSpec, user: ProcessUser): OciProcess {
  const { config } = record;
  const own = { hostname: config.hostname, terminal: exec.terminal, home: user.home };
  const base = spec.process ?? { user: { uid: 0, gid: 0 }, args: [], cwd: "/" };
  return {
    ...base,
    terminal: exec.terminal,
    args: [...exec.args],
    env: environment(own, config.env, exec.env),
    cwd: exec.workingDir || config.workingDir || "/",
    user: { uid: user.uid, gid: user.gid, additionalGids: [...user.additionalGids] },
    capabilities: capabilitySets(exec.privileged ? heldCapabilities() : config.security.capabilities),
  };
}

/** Names are looked up in the files that the container has now. */
function execUser({ id, record }: Entry, { user }: ExecConfig, pid: number): ProcessUser {
  const root = openRoot(id, pid);
  try {
    const read = (path: string): string => readBounded(root, path, USER_FILE_BYTES) ?? "";
    return resolveUser(user || record.config.user, record.config.additionalGroups ?? [], {
      passwd: read("etc/passwd"),
      group: read("etc/group"),
    });
  } finally {
    close(root);
  }
}

function openRoot(id: string, pid: number): number {
  try {
    return open(`/proc/${pid}/root`, O_PATH | O_DIRECTORY);
  } catch (error) {
    if (isSyscallError(error, "ENOENT", "ESRCH")) throw notRunning(id);
    throw error;
  }
}
