import type { KubeObject } from "#formats/kube-object.ts";
import type { Pod } from "#formats/kube-types.generated.ts";
import { validateCreate, validateEphemeralContainers, validateUpdate } from "#formats/kube-validate.ts";
import { validateCustom } from "../custom/validate.ts";
import type { ResourceDefinition } from "../resources/definition.ts";
import type { Strategy } from "../strategies/strategy.ts";
import { invalid, type FieldFault } from "../status.ts";

/** Throws `invalid` with every fault of a new object. */
export function checkCreated(definition: ResourceDefinition, strategy: Strategy, object: KubeObject): void {
  refuse(definition, object, [
    ...validateCreate(definition, object),
    ...customFaults(definition, object),
    ...(strategy.validate?.(object) ?? []),
  ]);
}

/** Throws `invalid` with every fault of a changed object, changes of immutable fields among them. */
export function checkUpdated(
  definition: ResourceDefinition,
  strategy: Strategy,
  subresource: string,
  object: KubeObject,
  old: KubeObject,
): void {
  refuse(definition, object, faultsOf(definition, strategy, subresource, object, old));
}

function faultsOf(
  definition: ResourceDefinition,
  strategy: Strategy,
  subresource: string,
  object: KubeObject,
  old: KubeObject,
): readonly FieldFault[] {
  switch (subresource) {
    case "":
    case "scale":
      return [
        ...validateUpdate(definition, object, old),
        ...customFaults(definition, object),
        ...(strategy.validate?.(object) ?? []),
        ...(strategy.validateUpdate?.(object, old) ?? []),
      ];
    case "ephemeralcontainers":
      return validateEphemeralContainers(object as Pod, old as Pod);
    default:
      // The spec is as it was: only metadata can have been spoiled.
      return [
        ...validateUpdate({ group: "", version: "", kind: "", namespaced: definition.namespaced }, object, old),
        ...customFaults(definition, object),
      ];
  }
}

/** Content against the schema of a custom resource; metadata is checked as for any object. */
function customFaults({ custom }: ResourceDefinition, object: KubeObject): readonly FieldFault[] {
  if (!custom) return [];
  const content: Partial<KubeObject> = { ...object };
  delete content.metadata;
  const required = custom.schema.required?.filter((name) => name !== "metadata");
  return validateCustom({ ...custom.schema, ...(required ? { required } : {}) }, content, "");
}

function refuse(definition: ResourceDefinition, object: KubeObject, faults: readonly FieldFault[]): void {
  if (faults.length > 0) throw invalid(definition.group, definition.kind, object.metadata.name ?? "", faults);
}
