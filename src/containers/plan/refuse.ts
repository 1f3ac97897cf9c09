import { GantryError } from "#base/errors.ts";
import type { OciSpec } from "#formats/oci-spec.ts";

/** Throws `unsupported`, naming the field, for what is in a specification and not in a plan. */
export function refuseUnsupported({ hooks, linux }: OciSpec): void {
  const asked: Readonly<Record<string, boolean>> = {
    hooks: Object.values(hooks ?? {}).some((list) => list.length > 0),
    "linux.timeOffsets": Object.keys(linux?.timeOffsets ?? {}).length > 0,
    "linux.mountLabel": Boolean(linux?.mountLabel),
    "linux.personality.flags": (linux?.personality?.flags?.length ?? 0) > 0,
  };
  for (const [field, isAsked] of Object.entries(asked)) {
    if (isAsked) throw new GantryError("unsupported", `${field} is not supported`, { field });
  }
}
