import { spawn } from "node:child_process";
import { existsSync, readFileSync, realpathSync } from "node:fs";
import { userInfo } from "node:os";
import { join, posix, resolve } from "node:path";
import { errorText, GantryError } from "#base/errors.ts";
import type { OciSpec } from "#formats/oci-spec.ts";
import { createCgroup, openCgroup, type Cgroup } from "#linux/cgroups.ts";
import { becomeLauncher, launcherCommand, type Launch } from "#linux/launcher.ts";
import { planLaunch } from "../launch.ts";
import { DEVICE_RULES } from "../spec/defaults.ts";
import { containerDirectory, forgetContainer, makeContainer, pidFileOf, writeState } from "./container.ts";
import type { RuntimeContext } from "./context.ts";
import { grantable } from "./capabilities.ts";
import { deleteContainer } from "./delete.ts";
import { LAUNCH_FAILED } from "./launch-failed.ts";
import type { Flags } from "./options.ts";
import { preservedDescriptors } from "./preserve.ts";
import { startContainer } from "./start.ts";

/** `create`: everything is there, and the container's process waits to be started. Becomes the launcher. */
export function createCommand(context: RuntimeContext, flags: Flags, id: string): never {
  return becomeLauncher(prepare(context, flags, id, { foreground: false }));
}

/** `run`: creates, starts and, unless detached, waits for the end and removes the container. Resolves with the exit code. */
export async function runCommand(context: RuntimeContext, flags: Flags, id: string): Promise<number> {
  const detached = flags.has("detach");
  const launch = prepare(context, flags, id, { foreground: !detached });
  const readyAt = 3 + launch.preserve;
  const [program, ...args] = launcherCommand({ ...launch, ready: readyAt });
  const preserved = Array.from({ length: launch.preserve }, (_, index) => 3 + index);
  const child = spawn(program, args, { stdio: [0, 1, 2, ...preserved, "pipe"] });
  // Those of a terminal reach the launcher too, which passes them on.
  for (const signal of ["SIGINT", "SIGQUIT", "SIGTSTP"] as const) process.on(signal, () => undefined);
  for (const signal of ["SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2"] as const)
    process.on(signal, () => child.kill(signal));
  const exited = new Promise<number>((done) => child.once("exit", (code) => done(code ?? 1)));
  const ready = new Promise<boolean>((done) => {
    const pipe = child.stdio[readyAt];
    pipe?.once("data", () => done(true));
    pipe?.once("close", () => done(false));
  });
  if (!(await ready)) return exited;
  try {
    await startContainer(context, id);
  } catch (error) {
    await deleteContainer(context, id, true);
    throw error;
  }
  if (detached) return 0;
  const code = await exited;
  if (!flags.has("keep")) await deleteContainer(context, id, true);
  return code;
}

/** All that a launch needs; what was made is undone when a part fails. */
function prepare(
  context: RuntimeContext,
  flags: Flags,
  id: string,
  { foreground }: { readonly foreground: boolean },
): Launch {
  for (const flag of ["no-pivot", "pidfd-socket"])
    if (flags.has(flag)) throw new GantryError("unsupported", `--${flag} is not supported`, { flag });
  containerDirectory(context.root, id);
  const bundle = resolve(flags.text("bundle") || ".");
  const spec = readBundle(bundle);
  refuseTerminal(spec, flags, foreground);
  const directory = makeContainer(context.root, id);
  let cgroup: Cgroup | undefined;
  try {
    const path = cgroupPathOf(spec, id);
    refuseUsedCgroup(path);
    cgroup = createCgroup(path, resourcesOf(spec));
    const { preserve, environment } = preservedDescriptors(flags);
    const given = grantable(context, processOf(spec));
    const process = { ...given, env: [...(spec.process?.env ?? []), ...environment] };
    const { annotations, ociVersion } = spec;
    const hookState = { ociVersion, id, bundle, ...(annotations && { annotations }) };
    const plan = planLaunch(
      { ...spec, process },
      { id, cgroup, pause: "created", hookState, keyring: !flags.has("no-new-keyring") },
    );
    const created = new Date(context.clock.now()).toISOString();
    const state = { id, bundle, rootfs: spec.root?.path ?? "", created, owner: userInfo().username };
    const steps = plan.steps.map(({ step }) => step);
    writeState(directory, { ...state, cgroupPath: path, spec, steps });
    const [consoleSocket, pidFile] = [flags.text("console-socket"), flags.text("pid-file")];
    const { height = 0, width = 0 } = process.consoleSize ?? {};
    return {
      plan,
      planFile: join(directory, "plan"),
      directory,
      stateFile: pidFileOf(directory),
      preserve,
      foreground,
      ...(pidFile && { pidFile: resolve(pidFile) }),
      ...(consoleSocket && { consoleSocket: resolve(consoleSocket) }),
      ...(process.terminal && { terminal: { rows: height, columns: width } }),
      onFailure: [...context.self, LAUNCH_FAILED, "create", id, process.args[0] ?? "", steps.join(",")],
    };
  } catch (error) {
    if (cgroup) void cgroup.remove().catch((failure: unknown) => context.log("warning", errorText(failure)));
    forgetContainer(directory);
    throw error;
  }
}

/** Throws `invalid` naming what is wrong with a bundle. */
function readBundle(bundle: string): OciSpec {
  const path = join(bundle, "config.json");
  if (!existsSync(path)) throw new GantryError("not-found", `JSON specification file ${path} not found`, { path });
  let spec: OciSpec;
  try {
    spec = JSON.parse(readFileSync(path, "utf8")) as OciSpec;
  } catch (error) {
    throw new GantryError("invalid", `${path}: ${errorText(error)}`, { path }, error);
  }
  if (typeof spec.ociVersion !== "string" || !spec.ociVersion.startsWith("1."))
    throw new GantryError("unsupported", `${path}: ociVersion ${JSON.stringify(spec.ociVersion)} is not 1.x`, { path });
  if (!spec.root?.path)
    throw new GantryError("invalid", `${path}: root.path must not be empty`, { field: "root.path" });
  const rootfs = resolve(bundle, spec.root.path);
  if (!existsSync(rootfs))
    throw new GantryError("not-found", `invalid rootfs: stat ${rootfs}: no such file or directory`, { path: rootfs });
  // Sources of binds are relative to the bundle.
  const mounts = spec.mounts?.map((mount) =>
    mount.source && isBind(mount.type, mount.options) ? { ...mount, source: resolve(bundle, mount.source) } : mount,
  );
  return { ...spec, root: { ...spec.root, path: realpathSync(rootfs) }, ...(mounts && { mounts }) };
}

const isBind = (type: string | undefined, options: readonly string[] = []): boolean =>
  type === "bind" || options.includes("bind") || options.includes("rbind");

function processOf({ process }: OciSpec): NonNullable<OciSpec["process"]> {
  if (process) return process;
  throw new GantryError("invalid", "process property must not be empty", { field: "process" });
}

/** In runc's words (utils_linux.go: setupIO). */
function refuseTerminal({ process }: OciSpec, flags: Flags, foreground: boolean): void {
  const given = flags.text("console-socket") !== undefined;
  if (process?.terminal && !given && !foreground)
    throw new GantryError("invalid", "cannot allocate tty if runc will detach without setting console socket");
  if (given && !process?.terminal)
    throw new GantryError("invalid", "cannot use console socket if runc will not detach or allocate tty");
}

/** Absolute, or below the root of each hierarchy; `slice:prefix:name` is systemd's. */
function cgroupPathOf({ linux }: OciSpec, id: string): string {
  const path = linux?.cgroupsPath || `/${id}`;
  if (path.split(":").length === 3 && !path.includes("/"))
    throw new GantryError("unsupported", `cgroupsPath ${path}: systemd's cgroup driver is not supported`, {
      field: "linux.cgroupsPath",
    });
  return posix.join("/", path);
}

function refuseUsedCgroup(path: string): void {
  const used = openCgroup(path).pids().length;
  if (used > 0)
    throw new GantryError("conflict", `container's cgroup is not empty: ${used} process(es) found`, { cgroup: path });
}

/** The devices that every container has are allowed behind what the specification says, as in runc. */
function resourcesOf({ linux }: OciSpec): NonNullable<NonNullable<OciSpec["linux"]>["resources"]> {
  const resources = linux?.resources ?? {};
  if (!resources.devices?.length) return resources;
  return { ...resources, devices: [...resources.devices, ...DEVICE_RULES.filter(({ allow }) => allow)] };
}
