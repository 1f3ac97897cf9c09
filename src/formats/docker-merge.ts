import { GantryError } from "#base/errors.ts";
import type { DockerConfig } from "./docker-config.ts";
import type { RunConfig } from "./image-config.ts";

/**
 * A container's configuration with the image's where it says nothing (moby daemon/commit.go `merge`): the entry point and command
 * go together, environment by variable, ports and volumes and labels added up, health check by field.
 * Throws `invalid` ("no command specified") when there is nothing to run.
 */
export function mergeImageConfig(user: DockerConfig, image: RunConfig): DockerConfig {
  const { Entrypoint: _entrypoint, Cmd: _cmd, ...rest } = user;
  const merged: DockerConfig = {
    ...rest,
    User: user.User || image.User || "",
    ExposedPorts: { ...emptyObjects(image.ExposedPorts), ...user.ExposedPorts },
    Env: mergeEnv(user.Env ?? [], image.Env ?? []),
    Labels: Object.assign(Object.create(null) as Record<string, string>, image.Labels, user.Labels),
    Volumes: { ...emptyObjects(image.Volumes), ...user.Volumes },
    WorkingDir: user.WorkingDir || image.WorkingDir || "",
    ...mergeCommand(user, image),
  };
  const healthcheck = mergeHealthcheck(user.Healthcheck, image.Healthcheck);
  if (healthcheck) merged.Healthcheck = healthcheck;
  const stopSignal = user.StopSignal || image.StopSignal;
  if (stopSignal) merged.StopSignal = stopSignal;
  const stopTimeout = user.StopTimeout ?? image.StopTimeout;
  if (stopTimeout !== undefined) merged.StopTimeout = stopTimeout;
  if (image.Shell && !user.Shell) merged.Shell = [...image.Shell];
  return merged;
}

/** What is executed: the entry point with the command behind it. Throws `invalid` when both are empty. */
export function commandOf(config: DockerConfig): string[] {
  const args = [...(config.Entrypoint ?? []), ...(config.Cmd ?? [])];
  if (args.length === 0 || args[0] === "") throw new GantryError("invalid", "no command specified");
  return args;
}

/** An entry point given by the user drops the image's command; `[""]` resets the image's entry point. */
function mergeCommand(user: DockerConfig, image: RunConfig): Pick<DockerConfig, "Entrypoint" | "Cmd"> {
  const cmd = user.Cmd ?? [];
  const entrypoint = user.Entrypoint;
  if (entrypoint !== undefined && entrypoint.length > 0) {
    const reset = entrypoint.length === 1 && entrypoint[0] === "";
    return pickCommand(reset ? undefined : entrypoint, cmd);
  }
  return pickCommand(image.Entrypoint ?? undefined, cmd.length > 0 ? cmd : (image.Cmd ?? []));
}

function pickCommand(
  entrypoint: readonly string[] | undefined,
  cmd: readonly string[],
): Pick<DockerConfig, "Entrypoint" | "Cmd"> {
  return { ...(entrypoint && { Entrypoint: [...entrypoint] }), ...(cmd.length > 0 && { Cmd: [...cmd] }) };
}

function mergeEnv(user: readonly string[], image: readonly string[]): string[] {
  const keys = new Set(user.map(variableName));
  return [...user, ...image.filter((entry) => !keys.has(variableName(entry)))];
}

function variableName(entry: string): string {
  return entry.split("=", 1)[0] ?? "";
}

function mergeHealthcheck(
  user: DockerConfig["Healthcheck"],
  image: RunConfig["Healthcheck"],
): DockerConfig["Healthcheck"] {
  if (!user) return image ? { ...image } : undefined;
  if (!image) return user;
  const merged = { ...user };
  if (!user.Test?.length && image.Test) merged.Test = image.Test;
  for (const field of ["Interval", "Timeout", "StartPeriod", "StartInterval", "Retries"] as const) {
    if (!user[field] && image[field]) merged[field] = image[field];
  }
  return merged;
}

function emptyObjects(keys: object | null | undefined): Record<string, Record<string, never>> {
  return Object.fromEntries(Object.keys(keys ?? {}).map((key) => [key, {}]));
}
