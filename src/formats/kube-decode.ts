// From a JSON document to an object of a known kind, as the API server's decoders do it.
import { GantryError } from "#base/errors.ts";
import type { KubeObject } from "./kube-object.ts";
import { kindSchema, type GroupVersionKind, type StructSchema } from "./kube-schema.ts";
import { decodeValue, zeroValue, type DecodeContext } from "./kube-schema/decode.ts";

/** What to do with unknown and duplicate fields: refuse, tell, or drop silently (`fieldValidation` of a request). */
export type FieldValidation = "Strict" | "Warn" | "Ignore";

export interface Decoded {
  readonly object: KubeObject;
  /** `unknown field "spec.foo"`, `duplicate field "spec.replicas"`; empty with Ignore. At most 100. */
  readonly warnings: readonly string[];
}

/**
 * Reads a built-in kind out of a parsed document (see parseJson for `duplicates`). The result is a new tree in the form
 * that Go would encode: unknown fields dropped, nulls and empty optional values gone, required ones present, quantities
 * and times in canonical form. Parts of free form (RawExtension, JSON) are shared with `value`.
 * Throws `invalid` (an HTTP 400 BadRequest, not a 422) with the API server's text.
 */
export function decodeObject(
  gvk: GroupVersionKind,
  value: unknown,
  validation: FieldValidation = "Warn",
  duplicates: readonly string[] = [],
): Decoded {
  const schema = kindSchema(gvk);
  if (!schema) throw new GantryError("unsupported", `no kind "${gvk.kind}" is registered for version "${gvk.version}"`);
  const context: DecodeContext = { path: [], strictErrors: [...duplicates] };
  const prefix = `${gvk.kind} in version ${JSON.stringify(gvk.version)} cannot be handled as a ${gvk.kind}`;
  const object = inContext(prefix, () => decodeRoot(schema, value, context));
  const warnings = validation === "Ignore" ? [] : context.strictErrors.slice(0, 100);
  if (validation === "Strict" && warnings.length > 0) {
    throw badRequest(`${prefix}: strict decoding error: ${warnings.join(", ")}`);
  }
  return { object, warnings };
}

/** Reads a value of any struct type: the options of a request, a list. Unknown fields are dropped. */
export function decodeStruct(schema: StructSchema, value: unknown): unknown {
  return decodeRoot(schema, value, { path: [], strictErrors: [] });
}

function decodeRoot(schema: StructSchema, value: unknown, context: DecodeContext): KubeObject {
  return (decodeValue(schema, value, context) ?? zeroValue(schema)) as KubeObject;
}

function inContext<T>(prefix: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (error instanceof GantryError && error.code === "invalid") throw badRequest(`${prefix}: ${error.message}`);
    throw error;
  }
}

function badRequest(message: string): GantryError {
  return new GantryError("invalid", message, { reason: "BadRequest" });
}
