import type { KubeObject } from "#formats/kube-object.ts";
import type { RequestContext } from "../context.ts";
import type { ResourceDefinition } from "../resources/definition.ts";
import type { Strategy } from "../strategies/strategy.ts";
import { invalid, type FieldFault } from "../status.ts";

/** Throws `invalid` with every fault of a new object. */
export function checkCreated(
  definition: ResourceDefinition,
  strategy: Strategy,
  object: KubeObject,
  _context: RequestContext,
): void {
  refuse(definition, object, strategy.validate?.(object) ?? []);
}

/** Throws `invalid` with every fault of a changed object, changes of immutable fields among them. */
export function checkUpdated(
  definition: ResourceDefinition,
  strategy: Strategy,
  object: KubeObject,
  old: KubeObject,
  _context: RequestContext,
): void {
  refuse(definition, object, [
    ...(strategy.validate?.(object) ?? []),
    ...(strategy.validateUpdate?.(object, old) ?? []),
  ]);
}

function refuse(definition: ResourceDefinition, object: KubeObject, faults: readonly FieldFault[]): void {
  if (faults.length > 0) throw invalid(definition.group, definition.kind, object.metadata.name ?? "", faults);
}
