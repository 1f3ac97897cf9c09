import { GantryError } from "#base/errors.ts";

/** A step of a path. */
export type Step =
  | { readonly kind: "field"; readonly name: string }
  | { readonly kind: "wildcard" }
  | { readonly kind: "recursive" }
  | {
      readonly kind: "slice";
      readonly from: number | undefined;
      readonly to: number | undefined;
      readonly step: number;
      readonly single: boolean;
    }
  | { readonly kind: "union"; readonly steps: readonly Step[] }
  | {
      readonly kind: "filter";
      readonly left: Operand;
      readonly operator: FilterOperator;
      readonly right: Operand | undefined;
    }
  | { readonly kind: "root" };

export type FilterOperator = "exists" | "==" | "!=" | "<" | "<=" | ">" | ">=";
export type Operand = { readonly literal: string | number | boolean } | { readonly path: readonly Step[] };

/** A piece of a template. */
export type TemplateNode =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "path"; readonly steps: readonly Step[] }
  | { readonly kind: "range"; readonly steps: readonly Step[]; readonly body: readonly TemplateNode[] };

const MAX_TEMPLATE_LENGTH = 64 * 1024;
const MAX_NESTING = 50;

/** Parses text with `{…}` expressions. */
export function parseTemplate(template: string): TemplateNode[] {
  if (template.length > MAX_TEMPLATE_LENGTH) fail("template is too long");
  const open: { steps: readonly Step[]; body: TemplateNode[] }[] = [{ steps: [], body: [] }];
  const add = (node: TemplateNode): void => void open.at(-1)?.body.push(node);
  for (let at = 0; at < template.length;) {
    const brace = template.indexOf("{", at);
    const end = brace < 0 ? template.length : brace;
    if (end > at) add({ kind: "text", text: template.slice(at, end) });
    if (brace < 0) break;
    const close = closingBrace(template, brace);
    readExpression(template.slice(brace + 1, close), open, add);
    at = close + 1;
  }
  if (open.length > 1) fail("unclosed range, expecting end");
  return open[0]?.body ?? [];
}

function readExpression(
  text: string,
  open: { steps: readonly Step[]; body: TemplateNode[] }[],
  add: (node: TemplateNode) => void,
): void {
  const trimmed = text.trim();
  if (trimmed === "end") {
    const closed = open.length > 1 ? open.pop() : fail("not in range, nothing to end");
    if (closed) add({ kind: "range", steps: closed.steps, body: closed.body });
  } else if (/^range\b/.test(trimmed)) {
    if (open.length > MAX_NESTING) fail("ranges are nested too deep");
    open.push({ steps: parseSteps(trimmed.slice("range".length).trim()), body: [] });
  } else if (/^(["']).*\1$/s.test(trimmed)) add({ kind: "text", text: unquote(trimmed) });
  else add({ kind: "path", steps: parseSteps(trimmed) });
}

function closingBrace(template: string, start: number): number {
  let quote = "";
  for (let at = start + 1; at < template.length; at++) {
    const char = template.charAt(at);
    if (char === "\\") at++;
    else if (quote !== "") quote = char === quote ? "" : quote;
    else if (char === '"' || char === "'") quote = char;
    else if (char === "}") return at;
  }
  return fail("unclosed action");
}

/** Parses `$.a['b'][0].c..d`. */
export function parseSteps(text: string): Step[] {
  const steps: Step[] = [];
  let at = 0;
  if (text.startsWith("$")) {
    steps.push({ kind: "root" });
    at = 1;
  } else if (text.startsWith("@")) at = 1;
  else if (text !== "" && !/^[.[]/.test(text)) return [...parseSteps(`.${text}`)];
  while (at < text.length) {
    const char = text.charAt(at);
    if (char === "[") {
      const close = closingBracket(text, at);
      steps.push(readBrackets(text.slice(at + 1, close).trim()));
      at = close + 1;
    } else if (char === ".") {
      if (text.charAt(at + 1) === ".") {
        steps.push({ kind: "recursive" });
        at++;
      }
      const [name, end] = fieldAt(text, at + 1);
      if (name === "*") steps.push({ kind: "wildcard" });
      else if (name !== "") steps.push({ kind: "field", name });
      at = end;
    } else fail(`unrecognized character in action: ${JSON.stringify(char)}`);
  }
  return steps;
}

function fieldAt(text: string, start: number): [string, number] {
  let name = "";
  let at = start;
  for (; at < text.length && !/[.[\]\s,(){}|=<>!?@$]/.test(text.charAt(at)); at++) {
    if (text.charAt(at) === "\\") at++;
    name += text.charAt(at);
  }
  return [name, at];
}

function closingBracket(text: string, start: number): number {
  let depth = 0;
  let quote = "";
  for (let at = start; at < text.length; at++) {
    const char = text.charAt(at);
    if (char === "\\") at++;
    else if (quote !== "") quote = char === quote ? "" : quote;
    else if (char === '"' || char === "'") quote = char;
    else if (char === "[") depth++;
    else if (char === "]" && --depth === 0) return at;
  }
  return fail("unterminated array");
}

function readBrackets(inner: string): Step {
  if (inner.startsWith("?")) return readFilter(inner.slice(1).trim());
  const parts = splitOutside(inner, ",");
  if (parts.length > 1) return { kind: "union", steps: parts.map((part) => readBrackets(part.trim())) };
  if (inner === "*") return { kind: "wildcard" };
  if (/^(["']).*\1$/s.test(inner)) return { kind: "field", name: unquote(inner) };
  const match = /^(-?[0-9]*)(?::(-?[0-9]*))?(?::(-?[0-9]*))?$/.exec(inner);
  if (!match || inner === "") return fail(`invalid array index ${inner}`);
  const number = (digits: string | undefined): number | undefined =>
    digits === undefined || digits === "" ? undefined : Number(digits);
  const single = match[2] === undefined && match[3] === undefined;
  const step = number(match[3]) ?? 1;
  if (step <= 0) fail("step must be > 0");
  return { kind: "slice", from: number(match[1]), to: number(match[2]), step, single };
}

function readFilter(text: string): Step {
  if (!text.startsWith("(") || !text.endsWith(")")) fail("unterminated filter");
  const inner = text.slice(1, -1).trim();
  for (const operator of ["==", "!=", "<=", ">=", "<", ">"] as const) {
    const parts = splitOutside(inner, operator);
    if (parts.length !== 2) continue;
    const [left = "", right = ""] = parts;
    return { kind: "filter", left: readOperand(left.trim()), operator, right: readOperand(right.trim()) };
  }
  return { kind: "filter", left: readOperand(inner), operator: "exists", right: undefined };
}

function readOperand(text: string): Operand {
  if (/^(["']).*\1$/s.test(text)) return { literal: unquote(text) };
  if (text === "true" || text === "false") return { literal: text === "true" };
  if (/^-?[0-9]+(\.[0-9]+)?$/.test(text)) return { literal: Number(text) };
  return { path: parseSteps(text) };
}

/** Splits at a separator that stands outside quotes, brackets and parentheses. */
function splitOutside(text: string, separator: string): string[] {
  const parts: string[] = [];
  let quote = "";
  let depth = 0;
  let start = 0;
  for (let at = 0; at < text.length; at++) {
    const char = text.charAt(at);
    if (char === "\\") at++;
    else if (quote !== "") quote = char === quote ? "" : quote;
    else if (char === '"' || char === "'") quote = char;
    else if (char === "[" || char === "(") depth++;
    else if (char === "]" || char === ")") depth--;
    else if (depth === 0 && text.startsWith(separator, at)) {
      parts.push(text.slice(start, at));
      start = at + separator.length;
      at = start - 1;
    }
  }
  return [...parts, text.slice(start)];
}

const ESCAPES: Readonly<Record<string, string>> = { n: "\n", t: "\t", r: "\r" };

function unquote(text: string): string {
  return text.slice(1, -1).replaceAll(/\\(.)/gs, (_, char: string) => ESCAPES[char] ?? char);
}

function fail(message: string): never {
  throw new GantryError("invalid", message);
}
