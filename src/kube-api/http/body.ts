import { parse as parseYaml, YAMLParseError } from "yaml";
import { errorText, isGantryError } from "#base/errors.ts";
import { checkDepth, parseJson } from "#formats/kube-json.ts";
import { readProto } from "#formats/kube-proto.ts";
import type { GroupVersionKind } from "#formats/kube-schema.ts";
import type { Body } from "../registry/input.ts";
import { badRequest, tooLarge, unsupportedMediaType } from "../status.ts";
import { header, type Request } from "./exchange.ts";

/** k8s.io/apiserver MaxRequestBodyBytes. */
export const MAX_BODY_BYTES = 3 * 2 ** 20;
const MAX_YAML_ALIASES = 100;
const PROTOBUF = "application/vnd.kubernetes.protobuf";
const BODY_TYPES = ["application/json", "application/yaml", PROTOBUF];

/** Reads the whole body. Throws 413 beyond 3 MiB, without reading on. */
export function readBody(request: Request): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    if (Number(header(request, "content-length") ?? 0) > MAX_BODY_BYTES) return reject(bodyTooLarge());
    const chunks: Buffer[] = [];
    let total = 0;
    request.on("data", (chunk: Buffer) => {
      total += chunk.byteLength;
      if (total <= MAX_BODY_BYTES) return void chunks.push(chunk);
      request.pause();
      reject(bodyTooLarge());
    });
    request.on("end", () => resolve(chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks)));
    request.on("error", reject);
    request.on("close", () => {
      if (!request.complete) reject(badRequest("the client left before its request was complete"));
    });
  });
}

function bodyTooLarge(): Error {
  return tooLarge(`Request entity too large: limit is ${MAX_BODY_BYTES}`);
}

/** The media type of the body, without parameters; JSON when there is none. */
export function contentType(request: Request): string {
  const type = (header(request, "content-type") ?? "").split(";", 1)[0]?.trim().toLowerCase() ?? "";
  return type === "" ? "application/json" : type;
}

/** An object out of a body, of kind `fallback` if it names none. Throws 415 for types not listed, 400 for what does not parse. */
export async function readObjectBody(request: Request, fallback: GroupVersionKind): Promise<Body> {
  const type = objectType(request);
  return parseObject(type, await readBody(request), fallback);
}

/** As readObjectBody; undefined when there is no body. */
export async function readOptionalBody(request: Request, fallback: GroupVersionKind): Promise<Body | undefined> {
  const bytes = await readBody(request);
  return bytes.byteLength === 0 ? undefined : parseObject(objectType(request), bytes, fallback);
}

function objectType(request: Request): string {
  const type = contentType(request);
  if (!BODY_TYPES.includes(type)) throw unsupportedMediaType([...BODY_TYPES], type);
  return type;
}

function parseObject(type: string, bytes: Buffer, fallback: GroupVersionKind): Body {
  return type === PROTOBUF ? { value: readProto(bytes, fallback).value } : parseBody(type, bytes);
}

/** Parses JSON, or YAML for a YAML type. */
export function parseBody(type: string, bytes: Buffer): Body {
  const text = bytes.toString();
  if (!type.endsWith("yaml")) return json(text);
  // Most "YAML" bodies are JSON.
  if (/^\s*[{[]/.test(text)) {
    const parsed = tryJson(text);
    if (parsed) return parsed;
  }
  return yaml(text);
}

function json(text: string): Body {
  try {
    return parseJson(text);
  } catch (error) {
    if (!isGantryError(error, "invalid")) throw error;
    throw badRequest(`couldn't get version/kind; json parse error: ${error.message}`);
  }
}

function tryJson(text: string): Body | undefined {
  try {
    return parseJson(text);
  } catch {
    // Flow-style YAML looks like JSON: the YAML parser decides.
    return undefined;
  }
}

function yaml(text: string): Body {
  try {
    // Aliases are counted, so that a few bytes cannot stand for a billion; merge keys and dates are no JSON.
    const value: unknown = parseYaml(text, { schema: "core", maxAliasCount: MAX_YAML_ALIASES, version: "1.2" });
    checkDepth(value);
    return { value };
  } catch (error) {
    const message = error instanceof YAMLParseError ? (error.message.split("\n", 1)[0] ?? "") : errorText(error);
    throw badRequest(`error converting YAML to JSON: yaml: ${message}`);
  }
}
