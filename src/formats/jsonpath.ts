// JSONPath templates as Kubernetes reads them (k8s.io/client-go/util/jsonpath): `{.status.phase}`, `{range .items[*]}{.metadata.name}{"\n"}{end}`.
import { evaluate, type EvaluateOptions } from "./jsonpath/evaluate.ts";
import { parseTemplate } from "./jsonpath/parse.ts";
import { isJsonObject } from "./tree.ts";

/** A template, ready to be applied to objects. */
export interface JsonPath {
  /** What the template's expressions select, in order. */
  find(object: unknown): unknown[];
  /** The template as text: values of one expression joined by a space, objects as JSON. */
  print(object: unknown): string;
}

/**
 * Parses a template. With `allowMissing` (the default) absent fields select nothing; otherwise `find` and `print` throw
 * `not-found`. Throws `invalid` for a malformed template.
 */
export function compileJsonPath(template: string, options: EvaluateOptions = { allowMissing: true }): JsonPath {
  const nodes = parseTemplate(template);
  return {
    find: (object) =>
      evaluate(nodes, object, options).flatMap((result) => (result.literal === undefined ? [...result.values] : [])),
    print: (object) =>
      evaluate(nodes, object, options)
        .map((result) => result.literal ?? result.values.map(showValue).join(" "))
        .join(""),
  };
}

function showValue(value: unknown): string {
  if (value === null || value === undefined) return "";
  return Array.isArray(value) || isJsonObject(value) ? JSON.stringify(value) : String(value as string);
}
