import { chmod, chown, mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { GantryError } from "#base/errors.ts";
import { hexId } from "#base/ids.ts";
import type { BuildRun } from "../types.ts";
import type { GivenMounts, RunMount } from "./run-mounts.ts";

/** `RUN --mount=type=secret`: a file of one command, or a variable; never a part of the image, of a key or of a log. */
export async function secretMount(run: BuildRun, mount: RunMount): Promise<GivenMounts | undefined> {
  const value = run.options.secrets?.get(mount.id);
  if (value === undefined) return missing("secret", mount);
  const env = mount.env === undefined ? [] : [`${mount.env}=${value.toString("utf8")}`];
  // A variable alone needs no file.
  if (mount.env !== undefined && mount.target === "") return { mounts: [], env, close: async () => undefined };
  await mkdir(run.context.secrets, { recursive: true, mode: 0o700 });
  const source = join(run.context.secrets, hexId(undefined, 16));
  const close = (): Promise<void> => rm(source, { force: true });
  try {
    await writeFile(source, value, { mode: 0o600 });
    await chown(source, mount.uid, mount.gid);
    await chmod(source, mount.mode ?? 0o400);
  } catch (error) {
    await close();
    throw error;
  }
  const target = mount.target || `/run/secrets/${mount.id}`;
  return { mounts: [{ kind: "bind", source, target, readonly: true, create: false, recursive: false }], env, close };
}

/** `RUN --mount=type=ssh`: the socket of the caller's agent. */
export function sshMount(run: BuildRun, mount: RunMount, index: number): GivenMounts | undefined {
  const source = run.options.ssh?.get(mount.id);
  if (source === undefined) return missing("ssh", mount);
  const target = mount.target || `/run/buildkit/ssh_agent.${index}`;
  return {
    mounts: [{ kind: "bind", source, target, readonly: false, create: false, recursive: false }],
    env: [`SSH_AUTH_SOCK=${target}`],
    close: async () => undefined,
  };
}

function missing(type: string, mount: RunMount): undefined {
  if (!mount.required) return undefined;
  const hint =
    type === "secret"
      ? `secret ${mount.id}: not found: give it with gantry build --secret id=${mount.id},src=<file>`
      : `ssh ${mount.id}: not found: give an agent with gantry build --ssh ${mount.id}`;
  throw new GantryError("invalid", hint, { mount: type });
}
