import { isPathSegment } from "#formats/kube-names.ts";
import { storedForm, type ResourceDefinition } from "../resources/definition.ts";
import { badRequest, invalid } from "../status.ts";

/**
 * The store key of an object. Names come from URLs and bodies: each must be one plain segment, or it could reach
 * another object's key.
 */
export function keyOf(definition: ResourceDefinition, namespace: string, name: string): string {
  if (definition.namespaced && namespace === "") throw badRequest("an empty namespace may not be set during creation");
  checkSegment(definition, "metadata.name", name, name);
  if (!definition.namespaced) return storedForm(definition).prefix + name;
  checkSegment(definition, "metadata.namespace", namespace, name);
  return `${storedForm(definition).prefix}${namespace}/${name}`;
}

/** Everything of the resource, or of one namespace of it. */
export function prefixOf(definition: ResourceDefinition, namespace: string): string {
  const { prefix } = storedForm(definition);
  if (!definition.namespaced || namespace === "") return prefix;
  checkSegment(definition, "metadata.namespace", namespace, "");
  return `${prefix}${namespace}/`;
}

const PRINTABLE_ASCII = /^[\x21-\x7e]+$/;

function checkSegment(definition: ResourceDefinition, field: string, segment: string, name: string): void {
  const faults = isPathSegment(segment);
  if (!PRINTABLE_ASCII.test(segment)) faults.push("must consist of printable characters");
  if (faults.length === 0) return;
  throw invalid(
    definition.group,
    definition.kind,
    name,
    faults.map((fault) => ({
      field,
      message: `Invalid value: ${JSON.stringify(segment)}: ${fault}`,
      reason: "FieldValueInvalid",
    })),
  );
}
