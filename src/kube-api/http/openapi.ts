import { createHash } from "node:crypto";
import { gzip } from "node:zlib";
import { promisify } from "node:util";
import { loadDescriptions, openApiV2, openApiV3, openApiV3Index, type ServedResource } from "#formats/openapi.ts";
import { schemaFingerprint } from "#formats/kube-schema.ts";
import { encodeOpenApiV2, OPENAPI_V2_PROTOBUF, OPENAPI_V2_PROTOBUF_OLD } from "#formats/openapi-v2-proto.ts";
import type { ResourceDefinition } from "../resources/definition.ts";
import type { ResourceTable } from "../resources/table.ts";
import { notAcceptable } from "../status.ts";
import { VERSION } from "../version.ts";
import { header, send } from "./exchange.ts";
import { parseAccept } from "./negotiation.ts";
import type { Reply } from "./respond.ts";

/** OpenAPI documents, made when first asked for, and anew when resources come or go. */
export interface OpenApi {
  /**
   * Answers at `/openapi/v2`, `/openapi/v3`, `/openapi/v3/api/v1` or `/openapi/v3/apis/GROUP/VERSION`; false: no such path. A version 3
   * document asked for by its hash may be kept for ever, and by another's hash is elsewhere (k8s.io/kube-openapi, handler3).
   */
  serve(reply: Reply, path: string, hash: string | null): Promise<boolean>;
}

type Encoding = "json" | "protobuf";

/** A document as it goes out. */
interface Document {
  readonly type: string;
  readonly etag: string;
  readonly bytes: Uint8Array;
  readonly zipped: Uint8Array;
}

const V3 = "/openapi/v3/";
const YEAR_MS = 365 * 86_400_000;
const gzipAsync = promisify(gzip);

export function openApiDocuments(table: ResourceTable): OpenApi {
  const cache = new Map<string, Promise<Document | undefined>>();
  table.changed.on(() => cache.clear());
  const document = (path: string, encoding: Encoding): Promise<Document | undefined> => {
    const key = `${encoding} ${path}`;
    const known = cache.get(key);
    if (known) return known;
    const made = makeDocument(table.all().map(servedResource), path, encoding);
    // Only paths that lead somewhere are remembered: clients may ask for any.
    cache.set(key, made);
    made.then(
      (there) => there ?? cache.delete(key),
      () => cache.delete(key),
    );
    return made;
  };
  return {
    async serve(reply, path, hash) {
      const there = await document(path, encodingFor(header(reply.request, "accept"), path));
      if (there && hash !== null && path.startsWith(V3)) answerByHash(reply, path, there, hash);
      else if (there) answer(reply, there, {});
      return there !== undefined;
    },
  };
}

/** Protobuf is there of version 2, whose every client of Kubernetes' own asks for it. */
function encodingFor(accept: string | undefined, path: string): Encoding {
  for (const { type } of parseAccept(accept ?? "*/*")) {
    if (JSON_TYPES.has(type)) return "json";
    if (path === "/openapi/v2" && PROTOBUF_TYPES.has(type)) return "protobuf";
  }
  throw notAcceptable(path === "/openapi/v2" ? ["application/json", OPENAPI_V2_PROTOBUF] : ["application/json"]);
}

const PROTOBUF_TYPES = new Set([OPENAPI_V2_PROTOBUF, OPENAPI_V2_PROTOBUF_OLD]);
const JSON_TYPES = new Set(["application/json", "application/*", "*/*"]);

function answerByHash(reply: Reply, path: string, document: Document, hash: string): void {
  if (`"${hash}"` !== document.etag) {
    const location = `${path}?hash=${document.etag.slice(1, -1)}`;
    return send(reply.response, 301, { location, vary: "Accept", "cache-control": "no-cache, private" }, "");
  }
  const expires = new Date(Date.now() + YEAR_MS).toUTCString();
  answer(reply, document, { "cache-control": "public, immutable", expires });
}

function answer({ request, response }: Reply, document: Document, more: Readonly<Record<string, string>>): void {
  const { etag, type } = document;
  const headers = { "cache-control": "no-cache, private", etag, vary: "Accept", ...more };
  if (header(request, "if-none-match") === etag) return send(response, 304, headers, "");
  const zip = /\bgzip\b/.test(header(request, "accept-encoding") ?? "");
  const whole = { ...headers, "content-type": type };
  if (zip)
    send(response, 200, { ...whole, "content-encoding": "gzip", vary: "Accept, Accept-Encoding" }, document.zipped);
  else send(response, 200, whole, document.bytes);
}

async function makeDocument(
  all: readonly ServedResource[],
  path: string,
  encoding: Encoding,
): Promise<Document | undefined> {
  if (path === "/openapi/v3") return finish(jsonOf(openApiV3Index(all, (one) => hashOf(all, one))));
  if (path === "/openapi/v2") {
    const document = openApiV2(all, VERSION.gitVersion, await loadDescriptions());
    return encoding === "json" ? finish(jsonOf(document)) : finish(encodeOpenApiV2(document), OPENAPI_V2_PROTOBUF);
  }
  const wanted = path.startsWith(V3) ? path.slice(V3.length) : "";
  const resources = all.filter((resource) => documentPath(resource) === wanted);
  if (resources.length === 0) return undefined;
  const bytes = jsonOf(openApiV3(resources, VERSION.gitVersion, await loadDescriptions()));
  return finish(bytes, "application/json", hashOf(all, wanted));
}

const jsonOf = (document: object): Uint8Array => Buffer.from(JSON.stringify(document));

async function finish(bytes: Uint8Array, type = "application/json", hash?: string): Promise<Document> {
  const tag = hash ?? createHash("sha512").update(bytes).digest("hex").toUpperCase();
  return { type, etag: `"${tag}"`, bytes, zipped: await gzipAsync(bytes) };
}

function documentPath({ group, version }: ServedResource): string {
  return group === "" ? `api/${version}` : `apis/${group}/${version}`;
}

function servedResource({ custom, ...definition }: ResourceDefinition): ServedResource {
  return custom ? { ...definition, openApiSchema: custom.openApiSchema } : definition;
}

/** Raised whenever documents come to be made differently: clients keep them by their hash for a year, over restarts and releases. */
const REVISION = "1";

/** Changes when the document would, without making it. */
function hashOf(all: readonly ServedResource[], path: string): string {
  const hash = createHash("sha512").update(REVISION).update(VERSION.gitVersion).update(schemaFingerprint());
  for (const resource of all) {
    if (documentPath(resource) !== path) continue;
    hash.update(JSON.stringify([resource.resource, resource.kind, resource.verbs, resource.openApiSchema ?? null]));
  }
  return hash.digest("hex").toUpperCase();
}
