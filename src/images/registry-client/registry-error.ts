import { GantryError, type ErrorCode } from "#base/errors.ts";
import { familiarName, familiarString, withDefaultTag, type ImageReference } from "#formats/reference.ts";

/** A registry's refusal: the first of its errors (distribution-spec, "Error Codes"). */
export interface RegistryFailure {
  readonly status: number;
  /** "MANIFEST_UNKNOWN", ...; empty when the body was no error document. */
  readonly code: string;
  readonly message: string;
}

const MAX_MESSAGE = 1024;

/** What an answer without a body means. */
const DEFAULTS: ReadonlyMap<number, string> = new Map([
  [401, "authentication required"],
  [403, "requested access to the resource is denied"],
]);

/** Reads the body of a refusal. */
export function readFailure(status: number, statusText: string, body: Buffer): RegistryFailure {
  const first = firstError(body);
  const code = typeof first?.["code"] === "string" ? first["code"] : "";
  const message = typeof first?.["message"] === "string" ? first["message"] : "";
  const plain = code === "" ? body.toString("utf8").trim() : message;
  return {
    status,
    code,
    message: (plain || (DEFAULTS.get(status) ?? statusText) || `status ${status}`).slice(0, MAX_MESSAGE),
  };
}

function firstError(body: Buffer): Record<string, unknown> | undefined {
  try {
    const document = JSON.parse(body.toString("utf8")) as { errors?: unknown; details?: unknown } | null;
    const errors: unknown = document?.errors;
    const first: unknown = Array.isArray(errors) ? errors[0] : undefined;
    if (typeof first === "object" && first !== null) return first as Record<string, unknown>;
    // Token servers speak so.
    return typeof document?.details === "string" ? { code: "UNAUTHORIZED", message: document.details } : undefined;
  } catch {
    // Not JSON: what it says is told as it is.
    return undefined;
  }
}

/** "manifest unknown: manifest unknown", as docker/distribution's errcode writes it. */
export function failureText({ status, code, message }: RegistryFailure): string {
  if (code !== "") return `${code.toLowerCase().replaceAll("_", " ")}: ${message}`;
  if (status === 401) return `unauthorized: ${message}`;
  if (status === 403) return `denied: ${message}`;
  if (status === 429) return `toomanyrequests: ${message}`;
  return `received unexpected HTTP status: ${status} ${message}`;
}

const CODES: ReadonlyMap<number, ErrorCode> = new Map([
  [400, "invalid"],
  [401, "unauthorized"],
  [403, "forbidden"],
  [404, "not-found"],
  [413, "too-large"],
  [429, "too-many-requests"],
  [503, "unavailable"],
]);

/** A refusal in the words that Docker has for it when it is about `reference`. */
export function registryError(failure: RegistryFailure, reference: ImageReference | undefined): GantryError {
  const text = failureText(failure);
  const details = { status: failure.status, registryCode: failure.code };
  const name = reference ? familiarName(reference) : "";
  if (reference && failure.code === "DENIED") {
    const hint = `pull access denied for ${name}, repository does not exist or may require 'docker login'`;
    return new GantryError("not-found", `${hint}: ${text}`, details);
  }
  if (reference && (failure.code === "MANIFEST_UNKNOWN" || (failure.status === 404 && failure.code === ""))) {
    return new GantryError(
      "not-found",
      `manifest for ${familiarString(withDefaultTag(reference))} not found: ${text}`,
      details,
    );
  }
  if (reference && failure.code === "NAME_UNKNOWN") {
    return new GantryError("not-found", `repository ${name} not found: ${text}`, details);
  }
  return new GantryError(CODES.get(failure.status) ?? "unavailable", text, details);
}
