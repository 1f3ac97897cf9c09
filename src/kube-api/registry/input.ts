import { decodeObject, type FieldValidation } from "#formats/kube-decode.ts";
import { applyDefaults } from "#formats/kube-defaults.ts";
import type { KubeObject } from "#formats/kube-object.ts";
import { isJsonObject } from "#formats/tree.ts";
import { readCustom } from "../custom/read.ts";
import type { RequestContext } from "../context.ts";
import { apiVersionOf, type ResourceDefinition } from "../resources/definition.ts";
import { badRequest } from "../status.ts";
import { checkKind } from "./metadata.ts";
import { toStored } from "./write.ts";

/** A parsed body, with the duplicate keys that the parser saw. */
export interface Body {
  readonly value: unknown;
  readonly duplicates?: readonly string[];
}

/**
 * A body as an object of the resource in its stored form: decoded, with defaults, private to the request.
 * Unknown fields are refused, told as warnings or dropped, as `validation` says.
 */
export function readObject(
  context: RequestContext,
  definition: ResourceDefinition,
  { value, duplicates = [] }: Body,
  validation: FieldValidation,
): KubeObject {
  if (!isJsonObject(value)) throw badRequest("the body of the request must be one object");
  const head = identify(definition, value);
  if (definition.custom) {
    const { custom, kind } = definition;
    if (custom.deprecation) context.warn(custom.deprecation);
    const object = readCustom(custom, kind, value, validation, duplicates, context.warn);
    return toStored(definition, { ...head, ...object });
  }
  const { object, warnings } = decodeObject(definition, value, validation, duplicates);
  for (const warning of warnings) context.warn(warning);
  const metadata = isJsonObject(object.metadata) ? object.metadata : {};
  const whole = { ...object, ...head, metadata };
  applyDefaults(definition, whole);
  return toStored(definition, whole);
}

/** Fills a missing kind and apiVersion in, and refuses those of another resource before anything else is read. */
function identify(
  definition: ResourceDefinition,
  value: Record<string, unknown>,
): { kind: string; apiVersion: string } {
  const { kind, apiVersion } = value;
  checkKind(definition, {
    ...(typeof kind === "string" ? { kind } : {}),
    ...(typeof apiVersion === "string" ? { apiVersion } : {}),
    metadata: {},
  });
  return { kind: definition.kind, apiVersion: apiVersionOf(definition) };
}
