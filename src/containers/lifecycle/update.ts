import { errorText, GantryError, isGantryError } from "#base/errors.ts";
import type { OciResources } from "#formats/oci-spec.ts";
import type { ContainerConfig, RestartPolicy } from "../engine.ts";
import { containerEvent, type EngineContext } from "./context.ts";

export interface ContainerChange {
  readonly resources?: OciResources;
  readonly restartPolicy?: RestartPolicy;
  readonly origin?: Readonly<Record<string, unknown>>;
}

/** Changes limits, at once when it runs, and the restart policy. Nothing is changed when the kernel refuses a limit. */
export function updateContainer(context: EngineContext, id: string, change: ContainerChange): Promise<void> {
  return context.serial.run(id, async () => {
    const { registry } = context;
    const entry = registry.entry(id);
    const { config, state } = entry.record;
    if (state.status === "removing" || state.status === "dead")
      throw cannotUpdate(id, 'container is marked for removal and cannot be "update"');
    if (change.restartPolicy && change.restartPolicy.kind !== "no" && config.autoRemove)
      throw new GantryError(
        "invalid",
        `Cannot update container ${id}: Restart policy cannot be updated because AutoRemove is enabled for the container`,
        { id },
      );
    if (change.resources && entry.run) applyLive(id, entry.run.cgroup, change.resources);
    await registry.saveDurably(entry, { config: changed(config, change) });
    containerEvent(context, entry, "update");
  });
}

function applyLive(id: string, cgroup: { apply(resources: OciResources): void }, resources: OciResources): void {
  try {
    cgroup.apply(resources);
  } catch (error) {
    throw cannotUpdate(id, errorText(error), error);
  }
}

function cannotUpdate(id: string, reason: string, cause?: unknown): GantryError {
  const code = isGantryError(cause) ? cause.code : cause === undefined ? "conflict" : "internal";
  return new GantryError(code, `Cannot update container ${id}: ${reason}`, { id }, cause);
}

/** Limits that are not named stay as they were. */
function changed(config: ContainerConfig, { resources, restartPolicy, origin }: ContainerChange): ContainerConfig {
  return {
    ...config,
    ...(resources && { resources: mergeResources(config.resources, resources) }),
    ...(restartPolicy && { restartPolicy }),
    ...(origin && { origin }),
  };
}

export function mergeResources(before: OciResources, change: OciResources): OciResources {
  return {
    ...before,
    ...change,
    ...(change.memory && { memory: { ...before.memory, ...change.memory } }),
    ...(change.cpu && { cpu: { ...before.cpu, ...change.cpu } }),
    ...(change.blockIO && { blockIO: { ...before.blockIO, ...change.blockIO } }),
    ...(change.unified && { unified: { ...before.unified, ...change.unified } }),
  };
}
