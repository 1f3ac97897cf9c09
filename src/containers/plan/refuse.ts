import { GantryError } from "#base/errors.ts";
import type { OciSpec } from "#formats/oci-spec.ts";

/** Throws `unsupported`, naming the field, for what is in a specification and not in a plan. */
export function refuseUnsupported({ linux }: OciSpec): void {
  const asked: Readonly<Record<string, boolean>> = {
    "linux.intelRdt": linux?.intelRdt !== undefined,
    "linux.personality.flags": (linux?.personality?.flags?.length ?? 0) > 0,
  };
  for (const [field, isAsked] of Object.entries(asked)) {
    if (isAsked) throw new GantryError("unsupported", `${field} is not supported`, { field });
  }
}
