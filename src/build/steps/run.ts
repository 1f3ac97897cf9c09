import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { GantryError } from "#base/errors.ts";
import { hexId } from "#base/ids.ts";
import { keyedSerial } from "#base/serial.ts";
import type { ContainerConfig, MountConfig, Security } from "#containers/engine.ts";
import { ALL_CAPABILITIES, DEFAULT_CAPABILITIES } from "#formats/docker-capabilities.ts";
import { DEFAULT_SHELL } from "#formats/dockerfile-config.ts";
import type { CommandLine, Instruction } from "#formats/dockerfile-instruction.ts";
import { checkEntitlements } from "../entitlements.ts";
import { envValue } from "../plan/scope.ts";
import { cacheKey } from "../step-cache.ts";
import { withHistory, type StageState } from "../stage-state.ts";
import type { BuildRun, WithSource } from "../types.ts";
import { cachedStep, commitState } from "./commit.ts";
import { missingPlaces, removePlaces } from "./mount-stubs.ts";
import { reportOutput } from "./output.ts";
import { engineMounts, mountKey, parseRunMount, type GivenMounts, type RunMount } from "./run-mounts.ts";

export type RunInstruction = Extract<Instruction, { kind: "run" }>;

/** Cache mounts that are not shared: one RUN at a time each. */
const locks = keyedSerial();

/** RUN: a container of the state's image; what it changed is the layer. */
export async function runStep(
  run: BuildRun,
  state: StageState,
  instruction: RunInstruction,
  withSource: WithSource,
): Promise<StageState> {
  checkSecurity(run, instruction);
  const mounts = instruction.mounts.map((text) => parseRunMount(text, state.config.WorkingDir ?? ""));
  const command = commandOf(instruction.command, state.config.Shell ?? DEFAULT_SHELL);
  const args = state.scope.cacheArgs().map(([name, value]) => `${name}=${value}`);
  const mountKeys = await Promise.all(
    mounts.map((mount, index) => mountKey(run, instruction.mounts[index] ?? "", mount, withSource)),
  );
  const key = cacheKey([
    "run",
    state.imageId,
    JSON.stringify(state.config),
    JSON.stringify(command),
    JSON.stringify(args),
    JSON.stringify(mountKeys),
    networkOf(run, instruction),
    // Only where it is not the default: keys of earlier builds hold.
    ...(isInsecure(instruction) ? ["insecure"] : []),
  ]);
  const history = `RUN ${args.length > 0 ? `|${args.length} ${args.join(" ")} ` : ""}${command.args.join(" ")}`;
  return cachedStep(run, key, state, () =>
    whileLocked(mounts, async () => {
      const based = state.imageId === undefined ? await commitState(run, state, undefined) : state;
      const given = await engineMounts(run, mounts, withSource);
      const step = { createdBy: history, created: run.created, emptyLayer: false, key };
      try {
        const all = { ...given, mounts: [...given.mounts, ...(await scriptMount(run, command))] };
        return await execute(run, based, { instruction, command, given: all }, withHistory(based, step));
      } finally {
        await given.close();
      }
    }),
  );
}

function checkSecurity(run: BuildRun, instruction: RunInstruction): void {
  const { security } = instruction;
  if (security !== undefined && security !== "sandbox" && security !== "insecure")
    throw new GantryError("invalid", `security ${JSON.stringify(security)} is not valid`, { flag: "security" });
  checkEntitlements(run.options, instruction);
  if (isInsecure(instruction) && run.engine.userNamespace)
    throw new GantryError(
      "unsupported",
      "RUN --security=insecure is incompatible with user namespaces (gantry up --userns-remap)",
      { flag: "security" },
    );
}

const isInsecure = ({ security }: RunInstruction): boolean => security === "insecure";

async function whileLocked<T>(mounts: readonly RunMount[], task: () => Promise<T>): Promise<T> {
  const [first, ...rest] = mounts
    .filter(({ type, sharing }) => type === "cache" && sharing !== "shared")
    .toSorted((a, b) => (a.id < b.id ? -1 : 1));
  return first ? locks.run(first.id, () => whileLocked(rest, task)) : task();
}

interface Command {
  readonly args: readonly string[];
  /** A here-document that is a script of its own (`#!`): run as a file. */
  readonly script?: { readonly name: string; readonly content: string };
}

function commandOf(command: CommandLine, shell: readonly string[]): Command {
  if (command.form === "exec") return { args: command.args };
  const [heredoc, ...others] = command.heredocs;
  if (!heredoc) return { args: [...shell, command.text] };
  const alone = others.length === 0 && /^<<-?["']?[\w.-]+["']?$/.test(command.text.trim());
  if (alone && heredoc.content.startsWith("#!")) return { args: [`/dev/pipes/${heredoc.name}`], script: heredoc };
  if (alone) return { args: [...shell, heredoc.content] };
  return {
    args: [...shell, [command.text, ...command.heredocs.map(({ name, content }) => `${content}${name}`)].join("\n")],
  };
}

interface Execution {
  readonly instruction: RunInstruction;
  readonly command: Command;
  readonly given: Pick<GivenMounts, "mounts" | "env">;
}

async function execute(run: BuildRun, state: StageState, execution: Execution, next: StageState): Promise<StageState> {
  const { instruction, command, given } = execution;
  const container = await run.engine.create(containerConfig(run, state, execution));
  const stop = (): void => void run.engine.remove(container.id, { force: true }).catch(() => undefined); // it may have ended by itself
  run.signal.addEventListener("abort", stop, { once: true });
  try {
    const places = missingPlaces(run, container.id, given.mounts);
    run.report.container(container.id);
    const output = await run.engine.attach(container.id, {
      stdin: false,
      stdout: true,
      stderr: true,
      logs: false,
      stream: true,
    });
    const shown = reportOutput(output, run.report.log);
    await run.engine.start(container.id);
    const exit = await run.engine.wait(container.id, "not-running");
    await shown;
    run.signal.throwIfAborted();
    if (exit.code !== 0) {
      throw new GantryError(
        "invalid",
        `The command '${command.args.join(" ")}' returned a non-zero code: ${exit.code}`,
        { exitCode: exit.code, command: command.args.join(" "), line: instruction.location.start },
      );
    }
    removePlaces(run, container.id, places);
    return await commitState(run, next, container.id);
  } finally {
    run.signal.removeEventListener("abort", stop);
    await run.engine.remove(container.id, { force: true, volumes: true }).catch(() => undefined); // the signal may have removed it
  }
}

async function scriptMount(run: BuildRun, { script }: Command): Promise<MountConfig[]> {
  if (!script) return [];
  const source = join(run.context.scratch, `script-${hexId(undefined, 8)}`);
  await writeFile(source, script.content, { mode: 0o755 });
  return [
    { kind: "bind", source, target: `/dev/pipes/${script.name}`, readonly: true, create: false, recursive: false },
  ];
}

function networkOf(run: BuildRun, { network }: RunInstruction): "default" | "none" | "host" {
  const name = network ?? run.options.network;
  if (name === "default" || name === "none" || name === "host") return name;
  throw new GantryError("invalid", `invalid network mode ${JSON.stringify(name)}`, { flag: "network" });
}

const SIGTERM = 15;

const SANDBOX: Security = { privileged: false, capabilities: DEFAULT_CAPABILITIES, noNewPrivileges: false };

/** Every capability, nothing hidden, no filter of system calls, the host's devices. */
const INSECURE: Security = {
  privileged: true,
  capabilities: ALL_CAPABILITIES,
  noNewPrivileges: false,
  seccomp: "unconfined",
  maskedPaths: [],
  readonlyPaths: [],
};

function containerConfig(
  run: BuildRun,
  state: StageState,
  { instruction, command, given }: Execution,
): ContainerConfig {
  const { config, imageId, scope } = state;
  const network = networkOf(run, instruction);
  const env = config.Env ?? [];
  return {
    image: imageId ?? "",
    imageId,
    args: command.args,
    env: [
      ...scope
        .runArgs()
        .filter(([name]) => envValue(env, name) === undefined)
        .map(([name, value]) => `${name}=${value}`),
      ...env,
      ...given.env,
    ],
    workingDir: config.WorkingDir || "/",
    user: config.User ?? "",
    hostname: "",
    terminal: false,
    stdin: "none",
    labels: {},
    mounts: given.mounts,
    readonlyRoot: false,
    namespaces: {
      network: { kind: network === "default" ? "new" : network },
      pid: { kind: "new" },
      ipc: { kind: "private" },
      uts: { kind: "new" },
      cgroup: "private",
      // The host's network cannot be used from a user namespace, as with `docker run`.
      ...(run.engine.userNamespace && network !== "host" && { user: run.engine.userNamespace }),
    },
    networks: network === "default" ? [{ network: "bridge", aliases: [], ports: [] }] : [],
    ...(run.options.extraHosts.length > 0 && { extraHosts: run.options.extraHosts }),
    resources: run.options.resources,
    cgroupParent: "/docker",
    oomScoreAdj: 0,
    security: isInsecure(instruction) ? INSECURE : SANDBOX,
    shmBytes: run.options.shmBytes,
    restartPolicy: { kind: "no" },
    autoRemove: false,
    stopSignal: SIGTERM,
    log: { driver: "none", maxBytes: 0, maxFiles: 0 },
    origin: { build: {} },
  };
}
