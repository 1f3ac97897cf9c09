// Requests for resources: which verb, and the answer in the form asked for.
import type { GroupVersionKind } from "#formats/kube-schema.ts";
import type { Api } from "../api.ts";
import { requireAccess, type Authorizer } from "../auth/authorizer.ts";
import type { RequestContext, User } from "../context.ts";
import type { PatchType } from "../options.ts";
import type { NodeStreams } from "../node-streams.ts";
import type { Proxy } from "../proxy/proxy.ts";
import { fromStored } from "../registry/write.ts";
import type { Answer, ObjectRef, Service } from "../service.ts";
import { badRequest, failure, methodNotSupported, unknownPath, unsupportedMediaType } from "../status.ts";
import type { DocumentList } from "../verbs/list.ts";
import { serveLogs } from "../streaming/logs.ts";
import { contentType, parseBody, readBody, readObjectBody, readOptionalBody } from "./body.ts";
import { header } from "./exchange.ts";
import type { RequestPath } from "./path.ts";
import { listParts, objectBytes } from "./present.ts";
import { deleteOptions, dryRun, fieldManager, fieldValidation, isTrue, listOptions, watchOptions } from "./query.ts";
import { replyBytes, replyValue, type Reply } from "./respond.ts";
import { tableOf, tableParts, type IncludeObject } from "./tables.ts";
import { streamWatch } from "./watch-stream.ts";

export type ResourcePath = RequestPath & { kind: "resource" };

export interface ResourceRequest {
  readonly reply: Reply & { warnings: string[] };
  readonly path: ResourcePath;
  readonly query: URLSearchParams;
  readonly user: User;
}

export interface ResourceServer {
  readonly api: Api;
  readonly service: Service;
  readonly authorizer: Authorizer;
  readonly nodes: () => NodeStreams | undefined;
  readonly proxy: Proxy;
}

const PATCH_TYPES: Readonly<Record<string, PatchType>> = {
  "application/json-patch+json": "json",
  "application/merge-patch+json": "merge",
  "application/strategic-merge-patch+json": "strategic",
  "application/apply-patch+yaml": "apply",
};

/** Answers one request for a resource. */
export async function serveResource(server: ResourceServer, request: ResourceRequest): Promise<void> {
  const { reply } = request;
  const ref = resolve(server, request);
  const method = reply.request.method ?? "GET";
  if (CONNECTED.has(ref.subresource)) return serveConnected(server, request, ref);
  switch (method) {
    case "GET":
      return ref.name === "" ? serveCollection(server, request, ref) : serveGet(server, request, ref);
    case "POST":
      return serveCreate(server, request, ref);
    case "PUT":
      return serveUpdate(server, request, ref);
    case "PATCH":
      return servePatch(server, request, ref);
    case "DELETE":
      return ref.name === "" ? serveDeleteCollection(server, request, ref) : serveDelete(server, request, ref);
    default:
      throw methodNotSupported(ref.definition, method.toLowerCase());
  }
}

/** Subresources that are no documents. */
const CONNECTED = new Set(["log", "exec", "attach", "portforward", "proxy"]);

/** Logs are served as they are; what needs an upgrade was asked for without one. */
async function serveConnected(
  { api, authorizer, nodes, proxy }: ResourceServer,
  { reply, path, query, user }: ResourceRequest,
  ref: ObjectRef,
): Promise<void> {
  const { definition, namespace, name, subresource } = ref;
  const { group, version, resource } = definition;
  const method = reply.request.method ?? "GET";
  requireAccess(authorizer, user, {
    verb: verbOf(method, name),
    group,
    version,
    resource,
    subresource,
    namespace,
    name,
  });
  if (subresource === "proxy") return proxy.serve(ref, path, reply.request, reply.response);
  if (subresource !== "log") throw badRequest("Upgrade request required");
  if (method !== "GET") throw methodNotSupported(definition, method.toLowerCase());
  const streams = nodes();
  if (!streams)
    throw failure({
      code: "unavailable",
      http: 503,
      reason: "ServiceUnavailable",
      message: "no node serves logs here",
    });
  await serveLogs(api, streams, ref, query, reply.response);
}

/** The resource of the URL. One of the wrong scope, or unknown, is not there; who may not know that is told "forbidden". */
function resolve({ api, authorizer }: ResourceServer, { path, reply, user }: ResourceRequest): ObjectRef {
  const { group, version, resource, namespace, name, subresource } = path;
  const definition = api.resources.find(group, version, resource);
  const unscoped = definition !== undefined && !definition.namespaced && namespace !== "";
  const unplaced = definition !== undefined && definition.namespaced && namespace === "" && name !== "";
  const known = subresource === "" || definition?.subresources.has(subresource);
  if (definition && !unscoped && !unplaced && known) return { definition, namespace, name, subresource };
  const verb = verbOf(reply.request.method ?? "GET", name);
  requireAccess(authorizer, user, {
    verb,
    group,
    version,
    resource,
    subresource,
    namespace: unscoped ? "" : namespace,
    name,
  });
  throw unknownPath();
}

function verbOf(method: string, name: string): string {
  const verbs: Readonly<Record<string, string>> = { POST: "create", PUT: "update", PATCH: "patch" };
  if (method === "DELETE") return name === "" ? "deletecollection" : "delete";
  return verbs[method] ?? (name === "" ? "list" : "get");
}

function contextOf({ reply, query, user }: ResourceRequest): RequestContext {
  return {
    user,
    dryRun: dryRun(query.getAll("dryRun")),
    fieldManager: fieldManager(query, header(reply.request, "user-agent")),
    warn: (text) => void (reply.warnings.includes(text) || reply.warnings.push(text)),
  };
}

async function serveGet({ api, service }: ResourceServer, request: ResourceRequest, ref: ObjectRef): Promise<void> {
  const { query, path } = request;
  if (ref.subresource === "" && (path.watch || isTrueParameter(query, "watch"))) {
    const fieldSelector = `metadata.name=${ref.name}`;
    const options = { ...watchOptions(query), fieldSelector };
    return streamWatch(
      api,
      service,
      request.reply,
      contextOf(request),
      { ...ref, name: "" },
      options,
      includeObject(query),
    );
  }
  await replyAnswer(api, request, ref, 200, await service.get(contextOf(request), ref));
}

async function serveCollection(server: ResourceServer, request: ResourceRequest, ref: ObjectRef): Promise<void> {
  const { api, service } = server;
  const { query, path, reply } = request;
  const include = includeObject(query);
  if (path.watch || isTrueParameter(query, "watch")) {
    return streamWatch(api, service, reply, contextOf(request), ref, watchOptions(query), include);
  }
  const list = await service.list(contextOf(request), ref, listOptions(query));
  await replyList(api, request, ref, list);
}

async function replyList(
  api: Api,
  { reply, query }: ResourceRequest,
  { definition }: ObjectRef,
  list: DocumentList,
): Promise<void> {
  if (reply.form.as !== "Table") return replyBytes(reply, 200, listParts(definition, list, reply.form.as));
  await replyBytes(reply, 200, await tableParts(definition, list, includeObject(query), api.clock.now()));
}

async function serveCreate({ api, service }: ResourceServer, request: ResourceRequest, ref: ObjectRef): Promise<void> {
  const { definition, namespace, name, subresource } = ref;
  if (subresource === "" && name !== "") throw methodNotSupported(definition, "create");
  if (definition.namespaced && namespace === "") throw methodNotSupported(definition, "create");
  const body = await readObjectBody(request.reply.request, bodyKind(ref));
  const answer = await service.create(contextOf(request), ref, body, fieldValidation(request.query));
  await replyAnswer(api, request, ref, 201, answer);
}

async function serveUpdate({ api, service }: ResourceServer, request: ResourceRequest, ref: ObjectRef): Promise<void> {
  if (ref.name === "") throw methodNotSupported(ref.definition, "update");
  const body = await readObjectBody(request.reply.request, bodyKind(ref));
  const answer = await service.update(contextOf(request), ref, body, fieldValidation(request.query));
  await replyAnswer(api, request, ref, wasCreated(answer) ? 201 : 200, answer);
}

async function servePatch({ api, service }: ResourceServer, request: ResourceRequest, ref: ObjectRef): Promise<void> {
  if (ref.name === "") throw methodNotSupported(ref.definition, "patch");
  const media = contentType(request.reply.request);
  const type = Object.hasOwn(PATCH_TYPES, media) ? PATCH_TYPES[media] : undefined;
  if (!type) throw unsupportedMediaType(Object.keys(PATCH_TYPES), media);
  const { value: body } = parseBody(media, await readBody(request.reply.request));
  const force = isTrueParameter(request.query, "force");
  if (force && type !== "apply") throw badRequest("force may not be specified for non-apply patch");
  if (type === "apply" && !request.query.get("fieldManager"))
    throw badRequest("fieldManager is required for apply patch");
  const answer = await service.patch(contextOf(request), ref, { type, body, force }, fieldValidation(request.query));
  await replyAnswer(api, request, ref, wasCreated(answer) ? 201 : 200, answer);
}

/** The kind of a body that does not say it itself. */
function bodyKind({ definition, subresource }: ObjectRef): GroupVersionKind {
  const sub = subresource === "" ? undefined : definition.subresources.get(subresource);
  const { group, version, kind } = definition;
  return sub
    ? { group: sub.group ?? group, version: sub.version ?? version, kind: sub.kind }
    : { group, version, kind };
}

const DELETE_OPTIONS = { group: "meta.k8s.io", version: "v1", kind: "DeleteOptions" };

function wasCreated(answer: Answer): boolean {
  return "document" in answer && answer.created === true;
}

/** Kinds whose deletion answers with the object, as in Kubernetes (ReturnDeletedObject). */
const RETURNED = new Set([
  "pods",
  "services",
  "persistentvolumes",
  "persistentvolumeclaims",
  "podtemplates",
  "resourcequotas",
  "serviceaccounts",
  "storageclasses",
  "volumeattachments",
  "csinodes",
  "csidrivers",
]);

async function serveDelete({ api, service }: ResourceServer, request: ResourceRequest, ref: ObjectRef): Promise<void> {
  const options = deleteOptions(request.query, await optionalBody(request));
  const context = { ...contextOf(request), dryRun: options.dryRun };
  const { document, gone } = await service.delete(context, ref, options);
  if (!gone || RETURNED.has(ref.definition.resource)) return replyAnswer(api, request, ref, 200, { document });
  const { definition, name } = ref;
  const details = {
    name,
    ...(definition.group === "" ? {} : { group: definition.group }),
    kind: definition.resource,
    uid: document.object.metadata.uid,
  };
  await replyValue(request.reply, 200, { kind: "Status", apiVersion: "v1", metadata: {}, status: "Success", details });
}

async function serveDeleteCollection(
  { api, service }: ResourceServer,
  request: ResourceRequest,
  ref: ObjectRef,
): Promise<void> {
  if (ref.definition.namespaced && ref.namespace === "") throw methodNotSupported(ref.definition, "deletecollection");
  const options = deleteOptions(request.query, await optionalBody(request));
  const context = { ...contextOf(request), dryRun: options.dryRun };
  await replyList(api, request, ref, await service.deleteCollection(context, ref, options, listOptions(request.query)));
}

async function optionalBody({ reply }: ResourceRequest): Promise<unknown> {
  return (await readOptionalBody(reply.request, DELETE_OPTIONS))?.value;
}

async function replyAnswer(
  api: Api,
  { reply, query }: ResourceRequest,
  { definition, subresource }: ObjectRef,
  status: number,
  answer: Answer,
): Promise<void> {
  if ("value" in answer) return replyValue(reply, codeOf(answer.value) ?? status, answer.value);
  const { form } = reply;
  if (form.as !== "Table") return replyBytes(reply, status, [objectBytes(definition, answer.document, form.as)]);
  const object = fromStored(definition, answer.document.object);
  const metadata = { resourceVersion: object.metadata.resourceVersion };
  await replyValue(
    reply,
    status,
    tableOf(definition, [object], metadata, subresource === "" ? includeObject(query) : "None", api.clock.now()),
  );
}

function codeOf(value: object): number | undefined {
  return "kind" in value && value.kind === "Status" && "code" in value ? Number(value.code) : undefined;
}

function includeObject(query: URLSearchParams): IncludeObject {
  const value = query.get("includeObject") ?? "";
  if (value === "" || value === "Metadata") return "Metadata";
  if (value === "None" || value === "Object") return value;
  throw badRequest(`unrecognized includeObject value: ${value}`);
}

function isTrueParameter(query: URLSearchParams, name: string): boolean {
  return query.has(name) && isTrue(query.get(name));
}
