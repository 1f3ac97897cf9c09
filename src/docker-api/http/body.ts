import type { IncomingMessage } from "node:http";
import type { Readable } from "node:stream";
import { GantryError } from "#base/errors.ts";
import type { Decoder } from "#formats/docker-json.ts";

/** The most bytes of a JSON document that a request may carry. */
const JSON_LIMIT_BYTES = 4 * 1024 * 1024;

/**
 * The request's JSON document. `required` false: an empty body decodes as `{}`.
 * Throws `invalid` for another content type, bad JSON or trailing bytes, `too-large` above 4 MiB.
 */
export async function readJson<T>(
  request: IncomingMessage,
  body: Readable,
  decode: Decoder<T>,
  options: { required: boolean },
): Promise<T> {
  const bytes = await readAll(body, JSON_LIMIT_BYTES);
  if (bytes.length === 0 && !options.required) return decode({}, "");
  checkContentType(request, bytes.length);
  if (bytes.length === 0) throw new GantryError("invalid", "invalid JSON: got EOF while reading request body");
  return decode(parseJson(bytes.toString("utf8")), "");
}

/** Collects a stream of at most `limitBytes`. */
export async function readAll(stream: Readable, limitBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > limitBytes) throw new GantryError("too-large", `request body is larger than ${limitBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function checkContentType(request: IncomingMessage, length: number): void {
  const header = request.headers["content-type"];
  if (header === undefined && length === 0) return;
  const type = (header ?? "").split(";")[0]?.trim().toLowerCase();
  if (type === "application/json") return;
  throw new GantryError("invalid", `unsupported Content-Type header (${header ?? ""}): must be 'application/json'`);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    if (error instanceof SyntaxError && error.message.startsWith("Unexpected non-whitespace character after JSON"))
      throw new GantryError("invalid", "unexpected content after JSON", {}, error);
    throw new GantryError(
      "invalid",
      `invalid JSON: ${error instanceof Error ? error.message : String(error)}`,
      {},
      error,
    );
  }
}
