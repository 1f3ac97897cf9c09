import { kindSchema } from "../kube-schema.ts";
import type { ServedResource, ServedSubresource } from "../openapi.ts";
import { componentName, type Components, type Dialect } from "./components.ts";

type Json = Record<string, unknown>;

const META = "io.k8s.apimachinery.pkg.apis.meta.v1";
const PATCH_TYPES = [
  "application/apply-patch+yaml",
  "application/json-patch+json",
  "application/merge-patch+json",
  "application/strategic-merge-patch+json",
];

interface Operation {
  readonly method: string;
  /** As audit and discovery know it: `list`, `get`, `post`, … */
  readonly action: string;
  readonly verb: string;
  readonly body?: "object" | "patch" | "options";
  readonly answer: "object" | "list" | "status";
}

const COLLECTION: readonly Operation[] = [
  { method: "get", action: "list", verb: "list", answer: "list" },
  { method: "post", action: "post", verb: "create", body: "object", answer: "object" },
  { method: "delete", action: "deletecollection", verb: "deletecollection", body: "options", answer: "status" },
];
const ITEM: readonly Operation[] = [
  { method: "get", action: "get", verb: "get", answer: "object" },
  { method: "put", action: "put", verb: "update", body: "object", answer: "object" },
  { method: "patch", action: "patch", verb: "patch", body: "patch", answer: "object" },
  { method: "delete", action: "delete", verb: "delete", body: "options", answer: "status" },
];
const SUBRESOURCE: readonly Operation[] = [
  ...ITEM,
  { method: "post", action: "post", verb: "create", body: "object", answer: "object" },
];

/** The paths of a resource and its subresources. */
export function resourcePaths(resource: ServedResource, components: Components, dialect: Dialect): Json {
  const { group, version, namespaced, resource: name, verbs } = resource;
  const root = group === "" ? `/api/${version}` : `/apis/${group}/${version}`;
  const base = namespaced ? `${root}/namespaces/{namespace}/${name}` : `${root}/${name}`;
  const write = (operations: readonly Operation[], allowed: readonly string[], about: Subject): Json =>
    pathItem(
      operations.filter(({ verb }) => allowed.includes(verb)),
      about,
      components,
      dialect,
    );
  const subject: Subject = { resource, kind: resource, item: false };
  const paths: Json = {
    [base]: write(COLLECTION, verbs, subject),
    [`${base}/{name}`]: write(ITEM, verbs, { ...subject, item: true }),
  };
  if (namespaced && verbs.includes("list"))
    paths[`${root}/${name}`] = write(COLLECTION.slice(0, 1), verbs, { ...subject, everywhere: true });
  for (const sub of resource.subresources.values()) {
    const kind = { group: sub.group ?? group, version: sub.version ?? version, kind: sub.kind };
    reachKind(kind, components);
    paths[`${base}/{name}/${sub.name}`] = write(SUBRESOURCE, sub.verbs, { resource, kind, item: true, sub });
  }
  return Object.fromEntries(
    Object.entries(paths).filter(([, item]) => Object.keys(item as Json).some((key) => key !== "parameters")),
  );
}

function reachKind(kind: { group: string; version: string; kind: string }, components: Components): void {
  const schema = kindSchema(kind);
  if (schema) components.reach(schema);
}

interface Subject {
  readonly resource: ServedResource;
  /** The kind of bodies and answers. */
  readonly kind: { readonly group: string; readonly version: string; readonly kind: string };
  readonly item: boolean;
  /** The list over all namespaces. */
  readonly everywhere?: boolean;
  readonly sub?: ServedSubresource;
}

function pathItem(operations: readonly Operation[], about: Subject, components: Components, dialect: Dialect): Json {
  const item: Json = {};
  for (const operation of operations) item[operation.method] = operationOf(operation, about, components, dialect);
  const parameters: Json[] = [];
  if (about.item) parameters.push(parameter("name", "path", "string", `name of the ${about.resource.kind}`, dialect));
  if (about.resource.namespaced && !about.everywhere) {
    parameters.push(
      parameter("namespace", "path", "string", "object name and auth scope, such as for teams and projects", dialect),
    );
  }
  parameters.push(parameter("pretty", "query", "string", "If 'true', then the output is pretty printed.", dialect));
  item["parameters"] = parameters;
  return item;
}

function operationOf(operation: Operation, about: Subject, components: Components, dialect: Dialect): Json {
  const { group, version, kind } = about.kind;
  const listed = operation.answer === "list" ? `${componentName(about.kind)}List` : componentName(about.kind);
  const answer = { $ref: components.ref(operation.answer === "status" ? `${META}.Status` : listed) };
  const bodyRef = { $ref: components.ref(bodyName(operation, about)) };
  const out: Json = {
    description: `${operation.verb} ${operation.answer === "list" || operation.verb === "deletecollection" ? "objects of kind" : "the specified"} ${kind}`,
    operationId: operationId(operation, about),
    tags: [tagOf(about.resource)],
    ...body(operation, bodyRef, dialect),
    responses: {
      "200":
        dialect === 3
          ? { description: "OK", content: { "application/json": { schema: answer } } }
          : { description: "OK", schema: answer },
      "401": { description: "Unauthorized" },
    },
    "x-kubernetes-action": operation.action,
    "x-kubernetes-group-version-kind": { group, version, kind },
  };
  const query = queryParameters(operation, dialect);
  const bodyParameter =
    dialect === 2 && operation.body
      ? [{ name: "body", in: "body", required: operation.body !== "options", schema: bodyRef }]
      : [];
  const parameters = [...bodyParameter, ...query];
  if (parameters.length > 0) out["parameters"] = parameters;
  return out;
}

function bodyName(operation: Operation, about: Subject): string {
  if (operation.body === "patch") return `${META}.Patch`;
  return operation.body === "options" ? `${META}.DeleteOptions` : componentName(about.kind);
}

function body(operation: Operation, schema: Json, dialect: Dialect): Json {
  const types = operation.body === "patch" ? PATCH_TYPES : ["*/*"];
  if (dialect === 2) return { consumes: types, produces: ["application/json", "application/yaml"], schemes: ["https"] };
  if (!operation.body) return {};
  const content = Object.fromEntries(types.map((type) => [type, { schema }]));
  return { requestBody: { content, ...(operation.body === "options" ? {} : { required: true }) } };
}

const FIELD_VALIDATION =
  "Whether unknown and duplicate fields are ignored (Ignore), warned of (Warn, the default) or refused (Strict).";
const DRY_RUN = "When set to All, the request is carried out in everything but the storing.";
const FIELD_MANAGER = "Who the change is attributed to in metadata.managedFields.";

function queryParameters({ action }: Operation, dialect: Dialect): Json[] {
  const query = (name: string, type: string, description: string): Json =>
    parameter(name, "query", type, description, dialect);
  switch (action) {
    case "list":
    case "deletecollection":
      return [
        query("labelSelector", "string", "Restricts the objects by their labels."),
        query("fieldSelector", "string", "Restricts the objects by their fields."),
        query("limit", "integer", "The most objects to answer with; the answer says how to continue."),
        query("continue", "string", "Continues a list where its last part ended."),
        query("resourceVersion", "string", "How new the answer must be at least."),
        query("resourceVersionMatch", "string", "How resourceVersion is meant: NotOlderThan or Exact."),
        query("timeoutSeconds", "integer", "Ends the request after so long."),
        ...(action === "list"
          ? [
              query("watch", "boolean", "Answers with changes as they happen."),
              query("allowWatchBookmarks", "boolean", "Asks for bookmark events."),
              query("sendInitialEvents", "boolean", "Starts a watch with what there is."),
            ]
          : [query("dryRun", "string", DRY_RUN)]),
      ];
    case "post":
    case "put":
    case "patch":
      return [
        query("dryRun", "string", DRY_RUN),
        query("fieldManager", "string", FIELD_MANAGER),
        query("fieldValidation", "string", FIELD_VALIDATION),
        ...(action === "patch" ? [query("force", "boolean", "Takes fields over from other appliers.")] : []),
      ];
    case "delete":
      return [
        query("dryRun", "string", DRY_RUN),
        query("gracePeriodSeconds", "integer", "How long the object may take to end."),
        query("propagationPolicy", "string", "What becomes of dependents: Orphan, Background or Foreground."),
      ];
    default:
      return [];
  }
}

function parameter(name: string, place: "path" | "query", type: string, description: string, dialect: Dialect): Json {
  const required = place === "path" ? { required: true } : {};
  const shape = { type, uniqueItems: true };
  return dialect === 3
    ? { name, in: place, description, ...required, schema: shape }
    : { name, in: place, description, ...required, ...shape };
}

/** `core_v1`, `apps_v1`. */
function tagOf({ group, version }: ServedResource): string {
  const first = group === "" ? "core" : (group.split(".")[0] ?? "");
  return `${first}_${version}`;
}

const VERB_NAMES: Readonly<Record<string, string>> = {
  get: "read",
  update: "replace",
  deletecollection: "deleteCollection",
};

/** `listCoreV1NamespacedPod`, as generated clients name their methods. */
function operationId({ verb }: Operation, about: Subject): string {
  const { resource, sub } = about;
  const upper = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);
  const group = resource.group === "" ? "core" : (resource.group.split(".")[0] ?? "");
  const scope = resource.namespaced && !about.everywhere ? "Namespaced" : "";
  const tail = about.everywhere ? "ForAllNamespaces" : sub ? upper(sub.name) : "";
  return `${VERB_NAMES[verb] ?? verb}${upper(group)}${upper(resource.version)}${scope}${resource.kind}${tail}`;
}
