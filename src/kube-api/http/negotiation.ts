import { notAcceptable } from "../status.ts";

/** How an answer is to be written. */
export interface Form {
  readonly encoding: "json" | "yaml";
  /** Plain objects, a printed table, or only the metadata. */
  readonly as: "object" | "Table" | "PartialObjectMetadata";
}

const JSON_FORM: Form = { encoding: "json", as: "object" };
const ACCEPTED = ["application/json", "application/yaml"];
const MAX_CLAUSES = 64;

/** One clause of an Accept header: a media type and its parameters. */
export interface MediaRange {
  readonly type: string;
  readonly parameters: Readonly<Record<string, string>>;
}

/** The first clause that can be served decides; "" and wildcards mean JSON. Throws 406. */
export function negotiate(accept: string | undefined): Form {
  if (!accept) return JSON_FORM;
  for (const range of parseAccept(accept)) {
    const form = formOf(range);
    if (form) return form;
  }
  throw notAcceptable(ACCEPTED);
}

/** Clauses by falling quality, at most 64. */
export function parseAccept(accept: string): MediaRange[] {
  const clauses = accept.split(",", MAX_CLAUSES).map((clause) => {
    const [type = "", ...rest] = clause.split(";").map((part) => part.trim());
    const parameters = Object.fromEntries(rest.map((part) => splitOnce(part)));
    return { type: type.toLowerCase(), parameters };
  });
  const quality = ({ parameters }: MediaRange): number => Number(parameters["q"] ?? 1);
  return clauses.toSorted((a, b) => quality(b) - quality(a));
}

function formOf({ type, parameters }: MediaRange): Form | undefined {
  const encoding = encodingOf(type);
  if (!encoding) return undefined;
  const { as, g: group, v: version } = parameters;
  if (as === undefined) return { encoding, as: "object" };
  const known = group === "meta.k8s.io" && (version === "v1" || version === "v1beta1");
  if (known && as === "Table") return { encoding, as };
  if (known && (as === "PartialObjectMetadata" || as === "PartialObjectMetadataList"))
    return { encoding, as: "PartialObjectMetadata" };
  return undefined;
}

function encodingOf(type: string): Form["encoding"] | undefined {
  if (type === "application/json" || type === "*/*" || type === "application/*") return "json";
  return type === "application/yaml" ? "yaml" : undefined;
}

function splitOnce(part: string): [string, string] {
  const at = part.indexOf("=");
  return at < 0 ? [part, ""] : [part.slice(0, at).trim(), part.slice(at + 1).trim()];
}
