import { GantryError } from "#base/errors.ts";
import type { OciMount } from "#formats/oci-spec.ts";
import type { Step } from "#linux/launch-plan.ts";
import { checkMappings, mapText, type UserNamespace } from "./user-namespace.ts";

type BindStep = Extract<Step, { step: "bind" }>;
type OpenTreeStep = Extract<Step, { step: "open-tree" }>;

/** Whose ids an open mount has: the host's, those of the container's user namespace, or those of maps of its own. */
export type IdMap = Pick<OpenTreeStep, "map" | "mapBelow" | "uids" | "gids">;

export const NOT_MAPPED: IdMap = { map: 0, mapBelow: false, uids: "", gids: "" };
export const MAPPED_AS_CONTAINER: IdMap = { ...NOT_MAPPED, map: 1, mapBelow: true };

/**
 * Mounts that are opened in one step and attached in a later one. With a user namespace all are opened `ahead`, by the process that has the
 * host's rights; without one, on the spot.
 */
export interface OpenMounts {
  readonly ahead: readonly Step[];
  /** Steps in the place of a bind. */
  bind(step: BindStep, idMap: IdMap): readonly Step[];
  /** The number of a mount that is opened ahead. */
  open(step: Extract<Step, { step: "open-tree" | "open-overlay" }>): number;
}

export function openMounts(userNamespace: UserNamespace | undefined): OpenMounts {
  const ahead: Step[] = [];
  let count = 0;
  const open: OpenMounts["open"] = (step) => {
    ahead.push(step);
    return count++;
  };
  return {
    ahead,
    open,
    bind(step, idMap) {
      if (!userNamespace && idMap.map === 0) return [step];
      const { target, overProc, step: _bind, ...source } = step;
      const tree: OpenTreeStep = { step: "open-tree", ...source, ...idMap };
      const attach = (mount: number): Step => ({ step: "attach", mount, target, overProc });
      if (userNamespace) return [attach(open(tree))];
      return [tree, attach(count++)];
    },
  };
}

/** OCI runtime-spec config.md, "mounts": uidMappings, gidMappings and the options idmap and ridmap. */
export function idMapOf(
  { uidMappings = [], gidMappings = [] }: OciMount,
  wanted: "idmap" | "ridmap" | undefined,
  target: string,
  userNamespace: UserNamespace | undefined,
): IdMap {
  const own = uidMappings.length > 0 || gidMappings.length > 0;
  if (!own && wanted === undefined) return NOT_MAPPED;
  const mapBelow = wanted === "ridmap";
  if (!own) {
    if (userNamespace) return { ...MAPPED_AS_CONTAINER, mapBelow };
    throw refusal(`mount ${target}: ${wanted} needs mappings or a user namespace`);
  }
  if (uidMappings.length === 0 || gidMappings.length === 0)
    throw refusal(`mount ${target}: both uidMappings and gidMappings are needed`);
  checkMappings(uidMappings, "mounts.uidMappings");
  checkMappings(gidMappings, "mounts.gidMappings");
  return { map: 2, mapBelow, uids: mapText(uidMappings), gids: mapText(gidMappings) };
}

function refusal(message: string): GantryError {
  return new GantryError("invalid", message, { field: "mounts.uidMappings" });
}
