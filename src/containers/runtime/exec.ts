import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { errorText, GantryError } from "#base/errors.ts";
import type { OciProcess } from "#formats/oci-spec.ts";
import { becomeLauncher } from "#linux/launcher.ts";
import { planExec } from "../launch.ts";
import { grantable } from "./capabilities.ts";
import { openContainer, runningProcess, type Container } from "./container.ts";
import type { RuntimeContext } from "./context.ts";
import { execCgroup } from "./exec-cgroup.ts";
import { LAUNCH_FAILED } from "./launch-failed.ts";
import type { Flags } from "./options.ts";
import { preservedDescriptors } from "./preserve.ts";

/** `exec`: one more process in a container. Becomes the launcher, and with it, unless detached, the process's exit code. */
export function execCommand(context: RuntimeContext, flags: Flags, id: string, args: readonly string[]): never {
  const container = openContainer(context.root, id);
  const { pid } = runningProcess(container);
  refuse(container, flags);
  const process = { ...grantable(context, execProcess(container, flags, args)) };
  const { preserve, environment } = preservedDescriptors(flags);
  if (environment.length > 0) process.env = [...(process.env ?? []), ...environment];
  const [consoleSocket, pidFile] = [flags.text("console-socket"), flags.text("pid-file")];
  const detached = flags.has("detach");
  if (process.terminal && detached && !consoleSocket)
    throw new GantryError("invalid", "cannot allocate tty if runc will detach without setting console socket");
  if (consoleSocket && !process.terminal)
    throw new GantryError("invalid", "cannot use console socket if runc will not detach or allocate tty");
  const { height = 0, width = 0 } = process.consoleSize ?? {};
  const { spec, bundle } = container.state;
  const { ociVersion, annotations } = spec;
  const hookState = { ociVersion, id, bundle, ...(annotations && { annotations }) };
  const plan = planExec(process, spec, { id, cgroup: execCgroup(container.cgroup, flags.list("cgroup")), hookState });
  const steps = plan.steps.map(({ step }) => step).join(",");
  return becomeLauncher({
    plan,
    planFile: join(container.directory, `exec-${globalThis.process.pid}.plan`),
    init: pid,
    preserve,
    foreground: !detached,
    ...(pidFile && { pidFile: resolve(pidFile) }),
    ...(consoleSocket && { consoleSocket: resolve(consoleSocket) }),
    ...(process.terminal && { terminal: { rows: height, columns: width } }),
    onFailure: [...context.self, LAUNCH_FAILED, "exec", id, process.args[0] ?? "", steps],
  });
}

function refuse(container: Container, flags: Flags): void {
  if (flags.text("pidfd-socket") !== undefined)
    throw new GantryError("unsupported", "--pidfd-socket is not supported", { flag: "pidfd-socket" });
  if (container.status() === "paused" && !flags.has("ignore-paused"))
    throw new GantryError("conflict", "cannot exec in a paused container (use --ignore-paused to override)");
}

/** The process of a file, or the container's own with what the flags change. */
function execProcess({ state }: Container, flags: Flags, args: readonly string[]): OciProcess {
  const file = flags.text("process");
  if (file !== undefined) return readProcess(file);
  const base = state.spec.process;
  if (!base) throw new GantryError("invalid", "process property must not be empty", { field: "process" });
  if (args.length === 0) throw new GantryError("invalid", "exec args cannot be empty");
  const apparmor = flags.text("apparmor") ?? base.apparmorProfile;
  const label = flags.text("process-label") ?? base.selinuxLabel;
  return {
    ...base,
    args: [...args],
    terminal: flags.has("tty"),
    env: [...(base.env ?? []), ...flags.list("env")],
    cwd: flags.text("cwd") ?? base.cwd,
    user: userOf(base, flags),
    capabilities: withCapabilities(base.capabilities, flags.list("cap")),
    noNewPrivileges: flags.has("no-new-privs") || (base.noNewPrivileges ?? false),
    ...(apparmor && { apparmorProfile: apparmor }),
    ...(label && { selinuxLabel: label }),
  };
}

function readProcess(file: string): OciProcess {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as OciProcess;
  } catch (error) {
    throw new GantryError("invalid", `${file}: ${errorText(error)}`, { file }, error);
  }
}

function userOf(base: OciProcess, flags: Flags): OciProcess["user"] {
  const [uid = "", gid] = flags.text("user")?.split(":") ?? [];
  const number = (text: string, what: string): number => {
    if (!/^\d+$/.test(text)) throw new GantryError("invalid", `parsing ${text} as int for ${what} failed`, { text });
    return Number(text);
  };
  const groups = flags.list("additional-gids").map((text) => number(text, "gid"));
  return {
    ...base.user,
    ...(uid !== "" && { uid: number(uid, "uid") }),
    ...(gid !== undefined && { gid: number(gid, "gid") }),
    additionalGids: [...(base.user.additionalGids ?? []), ...groups],
  };
}

/** In the sets that make them usable; ambient and inheritable ones stay as they are (CVE-2022-24769). */
function withCapabilities(
  sets: OciProcess["capabilities"],
  names: readonly string[],
): NonNullable<OciProcess["capabilities"]> {
  const more = (have: readonly string[] = []): string[] => Array.from(new Set([...have, ...names]));
  return {
    ...sets,
    bounding: more(sets?.bounding),
    effective: more(sets?.effective),
    permitted: more(sets?.permitted),
  };
}
