import { isGantryError, GantryError } from "#base/errors.ts";
import { checkFieldSelector, fieldValue, parseFieldSelector, type FieldRequirement } from "#formats/field-selectors.ts";
import { matchesSelector, parseSelector, type Selector } from "#formats/selectors.ts";
import { isJsonObject } from "#formats/tree.ts";
import type { Selection } from "../options.ts";
import type { ResourceDefinition } from "../resources/definition.ts";
import { badRequest } from "../status.ts";
import type { Document } from "./document.ts";

/** A label and field selector of one request, parsed and checked. */
export interface Matcher {
  /** True when everything matches. */
  readonly all: boolean;
  /** The one name that can match, from `metadata.name=x`. */
  readonly name: string | undefined;
  readonly namespace: string | undefined;
  matches(document: Document): boolean;
}

const EVERYTHING: Matcher = { all: true, name: undefined, namespace: undefined, matches: () => true };

/** Throws `invalid` (400) with Kubernetes' text for selectors that do not parse, and for fields that cannot be selected. */
export function matcherOf(
  definition: ResourceDefinition,
  { labelSelector = "", fieldSelector = "" }: Selection,
): Matcher {
  if (labelSelector === "" && fieldSelector === "") return EVERYTHING;
  const labels = asBadRequest(() => parseSelector(labelSelector));
  const fields = asBadRequest(() => fieldsOf(definition, fieldSelector));
  const exact = (field: string): string | undefined =>
    fields.find((requirement) => requirement.field === field && !requirement.negated)?.value;
  return {
    all: labels.requirements.length === 0 && fields.length === 0,
    name: exact("metadata.name"),
    namespace: exact("metadata.namespace"),
    matches: (document) => matchesLabels(labels, document) && matchesAllFields(definition, fields, document),
  };
}

function fieldsOf(definition: ResourceDefinition, text: string): FieldRequirement[] {
  const fields = parseFieldSelector(text);
  const builtIn = fields.filter(({ field }) => !definition.custom?.selectableFields.includes(field));
  checkFieldSelector(builtIn, definition.group, definition.kind);
  return fields;
}

function matchesLabels(selector: Selector, document: Document): boolean {
  return selector.requirements.length === 0 || matchesSelector(selector, document.labels);
}

function matchesAllFields(
  definition: ResourceDefinition,
  fields: readonly FieldRequirement[],
  document: Document,
): boolean {
  return fields.every(({ field, negated, value }) => {
    const own = definition.custom?.selectableFields.includes(field);
    const actual = document.cached(field, (object) =>
      own ? textAt(object, field) : fieldValue(definition.group, definition.kind, object, field),
    );
    return (actual === value) !== negated;
  });
}

function asBadRequest<T>(parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (error instanceof GantryError && isGantryError(error, "invalid")) throw badRequest(error.message);
    throw error;
  }
}

/** The text of the value at a dotted path; "" when there is none. */
function textAt(object: object, path: string): string {
  let value: unknown = object;
  for (const name of path.split("."))
    value = isJsonObject(value) && Object.hasOwn(value, name) ? value[name] : undefined;
  return value === undefined || value === null || typeof value === "object"
    ? ""
    : String(value as string | number | boolean);
}
