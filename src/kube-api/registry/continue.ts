import { badRequest } from "../status.ts";

interface Token {
  readonly v: "meta.k8s.io/v1";
  /** -1: whatever is newest (after the first revision was compacted). */
  readonly rv: number;
  /** The last key of the page before, without the prefix. */
  readonly start: string;
}

/** Where a paged list goes on. */
export function encodeContinue(revision: number, prefix: string, after: string): string {
  const token: Token = { v: "meta.k8s.io/v1", rv: revision, start: after.slice(prefix.length) };
  return Buffer.from(JSON.stringify(token)).toString("base64url");
}

/** Throws `invalid` for a token that is not ours. The key it names always lies under `prefix`. */
export function decodeContinue(
  text: string,
  prefix: string,
  resourceVersion = "",
): { revision: number | undefined; after: string } {
  if (resourceVersion !== "" && resourceVersion !== "0") {
    throw badRequest("specifying resource version is not allowed when using continue");
  }
  const token = parse(text);
  return { revision: token.rv > 0 ? token.rv : undefined, after: prefix + token.start };
}

function parse(text: string): Token {
  try {
    const value = JSON.parse(Buffer.from(text, "base64url").toString()) as Partial<Token> | null;
    if (value?.v === "meta.k8s.io/v1" && Number.isSafeInteger(value.rv) && typeof value.start === "string")
      return value as Token;
  } catch (error) {
    throw badRequest(`continue key is not valid: ${error instanceof Error ? error.message : String(error)}`);
  }
  throw badRequest("continue key is not valid: incorrect encoded continue version or shape");
}
