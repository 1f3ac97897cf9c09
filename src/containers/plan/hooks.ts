import { GantryError } from "#base/errors.ts";
import type { OciHookName, OciSpec } from "#formats/oci-spec.ts";
import type { Step } from "#linux/launch-plan.ts";
import type { LaunchHost } from "../launch.ts";

/** OCI runtime-spec runtime.md, "State", as far as it is known before there is a process. */
export interface HookState {
  readonly ociVersion: string;
  readonly id: string;
  readonly bundle: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

type PlannedHook = Exclude<OciHookName, "poststart" | "poststop">;

/** Throws `unsupported` when there are hooks and no one who runs those after the launch; `invalid` for one that cannot be run. */
export function refuseHooks({ hooks }: OciSpec, { hookState }: LaunchHost): void {
  const all = Object.entries(hooks ?? {}).flatMap(([name, list]) => list.map((hook) => ({ name, hook })));
  if (all.length > 0 && !hookState) throw new GantryError("unsupported", "hooks is not supported", { field: "hooks" });
  for (const { name, hook } of all) {
    const field = `hooks.${name}`;
    if (!hook.path?.startsWith("/"))
      throw new GantryError("invalid", `${field}: path ${JSON.stringify(hook.path)} is not absolute`, { field });
    if (hook.timeout !== undefined && !(Number.isInteger(hook.timeout) && hook.timeout > 0))
      throw new GantryError("invalid", `${field}: timeout ${hook.timeout} is not a number of seconds above 0`, {
        field,
      });
  }
}

/** The hooks of one kind that are part of a launch, in order (OCI runtime-spec config.md, "POSIX-platform Hooks"). */
export function hookSteps({ hooks }: OciSpec, { hookState }: LaunchHost, name: PlannedHook): readonly Step[] {
  if (!hookState) return [];
  const [before, after] = stateAround(hookState, name === "startContainer" ? "created" : "creating");
  const step = name === "prestart" || name === "createRuntime" ? "hook" : "hook-inside";
  return (hooks?.[name] ?? []).map(({ path, args = [], env = [], timeout = 0 }) => ({
    step,
    name,
    path,
    arguments: args,
    environment: env,
    timeout,
    before,
    after,
  }));
}

/** OCI runtime-spec config-linux.md, "The Container Process State": what a seccomp listener is sent, around the process's id. */
export function processStateAround(state: HookState, metadata: string | undefined): [string, string] {
  const { ociVersion, id, bundle, annotations } = state;
  const container = { ociVersion, id, status: "creating", bundle, ...(annotations && { annotations }) };
  const first = JSON.stringify({ ociVersion, fds: ["seccompFd"] }).slice(0, -1);
  const last = JSON.stringify({ ...(metadata !== undefined && { metadata }), state: container }).slice(1);
  return [`${first},"pid":`, `,${last}`];
}

/** The state's text before and behind the process id. */
function stateAround({ id, ociVersion, bundle, annotations }: HookState, status: string): [string, string] {
  const first = JSON.stringify({ ociVersion, id, status }).slice(0, -1);
  const last = JSON.stringify({ bundle, ...(annotations && { annotations }) }).slice(1);
  return [`${first},"pid":`, `,${last}`];
}
