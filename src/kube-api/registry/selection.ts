import { isGantryError, GantryError } from "#base/errors.ts";
import { checkFieldSelector, fieldValue, parseFieldSelector, type FieldRequirement } from "#formats/field-selectors.ts";
import { matchesSelector, parseSelector, type Selector } from "#formats/selectors.ts";
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
  checkFieldSelector(fields, definition.group, definition.kind);
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
    const actual = document.cached(field, (object) => fieldValue(definition.group, definition.kind, object, field));
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
