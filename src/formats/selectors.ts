// Label selectors (k8s.io/apimachinery/pkg/labels) and field selectors (k8s.io/apimachinery/pkg/fields).
import { GantryError } from "#base/errors.ts";
import { isLabelValue, isQualifiedName } from "./kube-names.ts";
import type { LabelSelector } from "./kube-types.generated.ts";
import { tokenizeSelector, type SelectorToken } from "./selectors/tokens.ts";

export type SelectorOperator = "=" | "==" | "!=" | "in" | "notin" | "exists" | "!" | "gt" | "lt";

/** One condition on one label. */
export interface Requirement {
  readonly key: string;
  readonly operator: SelectorOperator;
  readonly values: readonly string[];
}

/** All requirements must hold; no requirement matches everything; `nothing` matches nothing. */
export interface Selector {
  readonly requirements: readonly Requirement[];
  readonly nothing?: true;
}

export type Labels = Readonly<Record<string, string>>;

export const EVERYTHING: Selector = { requirements: [] };
export const NOTHING: Selector = { requirements: [], nothing: true };

const BINARY_OPERATORS: readonly SelectorOperator[] = ["in", "notin", "=", "==", "!=", "gt", "lt"];
const INT64 = /^[+-]?[0-9]{1,19}$/;

/** Parses `a=b,c!=d,e in (f,g),h notin (i),j,!k,l>1`. Throws `invalid` with Kubernetes' text. */
export function parseSelector(text: string): Selector {
  const tokens = tokenizeSelector(text);
  const requirements: Requirement[] = [];
  let at = 0;
  const peek = (): SelectorToken => tokens[at] ?? { kind: "end", text: "" };
  const take = (): SelectorToken => tokens[at++] ?? { kind: "end", text: "" };
  while (peek().kind !== "end") {
    const first = peek();
    if (!isWord(first) && first.kind !== "!") {
      fail(`found '${first.text}', expected: !, identifier, or 'end of string'`);
    }
    requirements.push(inRequirement(() => parseRequirement(peek, take)));
    const next = take();
    if (next.kind === "end") break;
    if (next.kind !== ",") fail(`found '${next.text}', expected: ',' or 'end of string'`);
    const after = peek();
    if (!isWord(after) && after.kind !== "!") fail(`found '${after.text}', expected: identifier after ','`);
  }
  return { requirements: requirements.sort((a, b) => compareText(a.key, b.key)) };
}

function parseRequirement(peek: () => SelectorToken, take: () => SelectorToken): Requirement {
  let token = take();
  const absent = token.kind === "!";
  if (absent) token = take();
  if (!isWord(token)) fail(`found '${token.text}', expected: identifier`);
  const key = token.text;
  const errors = isQualifiedName(key);
  if (errors.length > 0) fail(`<nil>: Invalid value: ${JSON.stringify(key)}: ${errors.join("; ")}`);
  if (absent) return newRequirement(key, "!", []);
  const next = peek().kind;
  if (next === "end" || next === ",") return newRequirement(key, "exists", []);
  const operator = readOperator(take());
  const values = operator === "in" || operator === "notin" ? readValues(peek, take) : readExactValue(peek, take);
  return newRequirement(key, operator, values);
}

function readOperator(token: SelectorToken): SelectorOperator {
  switch (token.kind) {
    case "in":
    case "notin":
    case "=":
    case "==":
    case "!=":
      return token.kind;
    case ">":
      return "gt";
    case "<":
      return "lt";
    default:
      return fail(`found '${token.text}', expected: ${BINARY_OPERATORS.join(", ")}`);
  }
}

function readValues(peek: () => SelectorToken, take: () => SelectorToken): string[] {
  const open = take();
  if (open.kind !== "(") fail(`found '${open.text}' expected: '('`);
  const values = new Set<string>();
  let wantsValue = true;
  for (;;) {
    const token = take();
    if (token.kind === ")") {
      if (wantsValue) values.add("");
      return [...values].sort(compareText);
    }
    if (token.kind === ",") {
      if (wantsValue) values.add("");
      wantsValue = true;
    } else if (isWord(token) && wantsValue) {
      values.add(token.text);
      wantsValue = false;
    } else fail(`found '${token.text}', expected: ${wantsValue ? "',', ')' or identifier" : "',' or ')'"}`);
    if (peek().kind === "end") fail(`found '', expected: ${wantsValue ? "',', or identifier" : "',' or ')'"}`);
  }
}

function readExactValue(peek: () => SelectorToken, take: () => SelectorToken): string[] {
  const next = peek();
  if (next.kind === "end" || next.kind === ",") return [""];
  const token = take();
  return isWord(token) ? [token.text] : fail(`found '${token.text}', expected: identifier`);
}

/** Keywords are values too: `a in (in)`. */
function isWord(token: SelectorToken): boolean {
  return token.kind === "word" || token.kind === "in" || token.kind === "notin";
}

function inRequirement<T>(parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (error instanceof GantryError) throw new GantryError("invalid", `unable to parse requirement: ${error.message}`);
    throw error;
  }
}

function fail(message: string): never {
  throw new GantryError("invalid", message);
}

/** A checked requirement. Throws `invalid` with the aggregate of what is wrong. */
export function newRequirement(key: string, operator: SelectorOperator, values: readonly string[]): Requirement {
  const errors: string[] = [];
  const keyErrors = isQualifiedName(key);
  if (keyErrors.length > 0) errors.push(`key: Invalid value: ${JSON.stringify(key)}: ${keyErrors.join("; ")}`);
  const count = valueCountError(operator, values);
  if (count) errors.push(`values: Invalid value: ${goStrings(values)}: ${count}`);
  for (const [index, value] of values.entries()) {
    if ((operator === "gt" || operator === "lt") && !INT64.test(value)) {
      const detail = "for 'Gt', 'Lt' operators, the value must be an integer";
      errors.push(`values[${index}]: Invalid value: ${JSON.stringify(value)}: ${detail}`);
    }
    const wrong = isLabelValue(value);
    if (wrong.length > 0) {
      errors.push(`values[${index}][${key}]: Invalid value: ${JSON.stringify(value)}: ${wrong.join("; ")}`);
    }
  }
  if (errors.length > 0) fail(errors.length === 1 ? (errors[0] ?? "") : `[${errors.join(", ")}]`);
  return { key, operator, values };
}

function goStrings(values: readonly string[]): string {
  return `[]string{${values.map((value) => JSON.stringify(value)).join(", ")}}`;
}

function valueCountError(operator: SelectorOperator, values: readonly string[]): string | undefined {
  switch (operator) {
    case "in":
    case "notin":
      return values.length === 0 ? "for 'in', 'notin' operators, values set can't be empty" : undefined;
    case "=":
    case "==":
    case "!=":
      return values.length === 1 ? undefined : "exact-match compatibility requires one single value";
    case "exists":
    case "!":
      return values.length === 0 ? undefined : "values set must be empty for exists and does not exist";
    default:
      return values.length === 1 ? undefined : "for 'Gt', 'Lt' operators, exactly one value is required";
  }
}

/** True when every requirement holds for `labels`. */
export function matchesSelector(selector: Selector, labels: Labels | undefined): boolean {
  if (selector.nothing) return false;
  return selector.requirements.every((requirement) => meets(requirement, labels));
}

function meets(requirement: Requirement, labels: Labels | undefined): boolean {
  const { key, operator, values } = requirement;
  const value = labels && Object.hasOwn(labels, key) ? labels[key] : undefined;
  switch (operator) {
    case "exists":
      return value !== undefined;
    case "!":
      return value === undefined;
    case "=":
    case "==":
    case "in":
      return value !== undefined && values.includes(value);
    case "!=":
    case "notin":
      return value === undefined || !values.includes(value);
    case "gt":
    case "lt": {
      const bound = values[0];
      if (value === undefined || bound === undefined || !INT64.test(value) || !INT64.test(bound)) return false;
      return operator === "gt" ? BigInt(value) > BigInt(bound) : BigInt(value) < BigInt(bound);
    }
  }
}

/** The selector as text that parseSelector reads back. */
export function formatSelector(selector: Selector): string {
  return selector.requirements.map(formatRequirement).join(",");
}

function formatRequirement({ key, operator, values }: Requirement): string {
  if (operator === "exists") return key;
  if (operator === "!") return `!${key}`;
  const list = [...values].sort(compareText).join(",");
  if (operator === "in" || operator === "notin") return `${key} ${operator} (${list})`;
  return `${key}${operator === "gt" ? ">" : operator === "lt" ? "<" : operator}${list}`;
}

/** A selector for exactly these labels; none of them means everything. */
export function selectorOfMap(labels: Labels | undefined): Selector {
  const entries = Object.entries(labels ?? {}).sort(([a], [b]) => compareText(a, b));
  return { requirements: entries.map(([key, value]) => ({ key, operator: "=", values: [value] })) };
}

const LABEL_OPERATORS: Readonly<Record<string, SelectorOperator>> = {
  In: "in",
  NotIn: "notin",
  Exists: "exists",
  DoesNotExist: "!",
};

/** The selector of a LabelSelector document: absent matches nothing, empty matches everything (metav1 helpers). */
export function selectorOf(selector: LabelSelector | undefined): Selector {
  if (!selector) return NOTHING;
  const requirements = [...selectorOfMap(selector.matchLabels).requirements];
  for (const { key, operator, values } of selector.matchExpressions ?? []) {
    const known = Object.hasOwn(LABEL_OPERATORS, operator) ? LABEL_OPERATORS[operator] : undefined;
    if (!known) fail(`"${operator}" is not a valid label selector operator`);
    requirements.push(newRequirement(key, known, values ?? []));
  }
  return { requirements: requirements.sort((a, b) => compareText(a.key, b.key)) };
}

/** The value that the selector demands of `key`, when it demands exactly one. For indexes. */
export function exactMatch(selector: Selector, key: string): string | undefined {
  const found = selector.requirements.find((requirement) => requirement.key === key);
  const exact = found && ["=", "==", "in"].includes(found.operator) && found.values.length === 1;
  return exact ? found.values[0] : undefined;
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
