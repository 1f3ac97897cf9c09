import {
  kindSchema,
  schemaKinds,
  type FieldSchema,
  type GroupVersionKind,
  type Schema,
  type StructSchema,
} from "../kube-schema.ts";
import type { Descriptions, ServedResource } from "../openapi.ts";
import { SHARED } from "./shared.ts";

export type Dialect = 2 | 3;
type Json = Record<string, unknown>;

const META = "io.k8s.apimachinery.pkg.apis.meta.v1";

/** What single-reference fields mean everywhere: the declarations that the texts are read from leave them out. */
const COMMON_FIELDS: Readonly<Record<string, string>> = {
  metadata:
    "Standard object's metadata. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata",
  spec: "Specification of the desired behavior. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#spec-and-status",
  status:
    "Most recently observed status. This data may not be up to date. Populated by the system. Read-only. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#spec-and-status",
};

let kindsByName: Map<string, GroupVersionKind[]> | undefined;

/** The kinds that a type is the document of. */
function kindsOf(name: string): GroupVersionKind[] {
  if (!kindsByName) {
    kindsByName = new Map();
    for (const { name: type, group, version, kind } of schemaKinds()) {
      const entry = { group: group === "meta.k8s.io" ? "" : group, version, kind };
      kindsByName.set(type, [...(kindsByName.get(type) ?? []), entry]);
    }
  }
  return kindsByName.get(name) ?? [];
}

/** The OpenAPI name of a kind: of its Go type, or `com.example.stable.v1.CronTab` for a custom resource. */
export function componentName(kind: GroupVersionKind): string {
  return kindSchema(kind)?.name ?? [...kind.group.split(".").reverse(), kind.version, kind.kind].join(".");
}

/** A custom resource's own schema with the fields that every object has. */
export function customComponent({ group, version, kind }: ServedResource, schema: object): Json {
  const own = schema as Json;
  const properties = { ...(own["properties"] as Json | undefined) };
  properties["apiVersion"] ??= { type: "string" };
  properties["kind"] ??= { type: "string" };
  properties["metadata"] = {
    allOf: [{ $ref: `#/components/schemas/${META}.ObjectMeta` }],
    description: COMMON_FIELDS["metadata"],
  };
  return { ...own, type: "object", properties, "x-kubernetes-group-version-kind": [{ group, version, kind }] };
}

/** The schemas of a document, each type that is reached once. */
export interface Components {
  add(name: string, schema: Json): void;
  /** A reference to a type. */
  ref(name: string): string;
  /** Adds a struct and all it is made of. */
  reach(schema: StructSchema): void;
  /** The list type of a custom resource. */
  addList(resource: ServedResource): void;
  /** The types that requests and answers share. */
  reachShared(): void;
  /** All schemas, by name in order. */
  all(): Json;
}

export function newComponents(dialect: Dialect, descriptions: Descriptions): Components {
  const schemas = new Map<string, Json>();
  const ref = (name: string): string => (dialect === 3 ? `#/components/schemas/${name}` : `#/definitions/${name}`);
  const shared = (name: string): Json => {
    const schema = SHARED[name];
    if (schema && !schemas.has(name)) schemas.set(name, dialect === 3 ? (schema.v3 ?? schema.v2) : schema.v2);
    return { $ref: ref(name) };
  };
  const reach = (schema: StructSchema): void => {
    if (schemas.has(schema.name)) return;
    // Set before its fields are visited: types refer to themselves.
    const out: Json = { type: "object" };
    schemas.set(schema.name, out);
    Object.assign(out, structBody(schema, descriptions, dialect, typeOf));
  };
  const typeOf = (schema: Schema): Json => {
    switch (schema.kind) {
      case "struct":
        reach(schema);
        return { $ref: ref(schema.name) };
      case "list":
        return { type: "array", items: typeOf(schema.items) };
      case "map":
        return { type: "object", additionalProperties: typeOf(schema.values) };
      case "union":
        if (schema.struct.kind === "struct") reach(schema.struct);
        return {};
      case "any":
        return { type: "object", "x-kubernetes-preserve-unknown-fields": true };
      case "scalar":
        return scalarType(schema.scalar, schema.enum, shared);
    }
  };
  return {
    ref,
    reach,
    add: (name, schema) => void schemas.set(name, schema),
    all: () => Object.fromEntries([...schemas].sort(([a], [b]) => (a < b ? -1 : 1))),
    reachShared() {
      for (const kind of ["DeleteOptions", "Status", "WatchEvent", "APIResourceList"]) {
        const schema = kindSchema({ group: "meta.k8s.io", version: "v1", kind });
        if (schema) reach(schema);
      }
      shared(`${META}.Patch`);
    },
    addList(resource) {
      schemas.set(`${componentName(resource)}List`, customList(resource, ref));
      for (const kind of ["PartialObjectMetadata", "PartialObjectMetadataList"]) {
        const metadata = kindSchema({ group: "meta.k8s.io", version: "v1", kind })?.fields.get("metadata")?.type;
        if (metadata?.kind === "struct") reach(metadata);
      }
    },
  };
}

function customList(resource: ServedResource, ref: (name: string) => string): Json {
  const { group, version, kind } = resource;
  return {
    type: "object",
    required: ["items"],
    properties: {
      apiVersion: { type: "string" },
      kind: { type: "string" },
      items: { type: "array", items: { $ref: ref(componentName(resource)) } },
      metadata: { $ref: ref(`${META}.ListMeta`) },
    },
    "x-kubernetes-group-version-kind": [{ group, version, kind: `${kind}List` }],
  };
}

function structBody(
  schema: StructSchema,
  { types, texts }: Descriptions,
  dialect: Dialect,
  typeOf: (schema: Schema) => Json,
): Json {
  const [text = -1, fieldTexts = {}] = types[schema.name] ?? [];
  const properties: Json = {};
  const required: string[] = [];
  for (const field of [...schema.fields.values()].sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const place = fieldTexts[field.name];
    const description = place === undefined ? COMMON_FIELDS[field.name] : texts[place];
    properties[field.name] = fieldBody(field, typeOf(field.type), description, dialect);
    if (field.required) required.push(field.name);
  }
  const kinds = kindsOf(schema.name);
  return {
    ...(text >= 0 ? { description: texts[text] } : {}),
    ...(Object.keys(properties).length > 0 ? { properties } : {}),
    ...(required.length > 0 ? { required } : {}),
    ...(kinds.length > 0 ? { "x-kubernetes-group-version-kind": kinds } : {}),
  };
}

function fieldBody(field: FieldSchema, type: Json, description: string | undefined, dialect: Dialect): Json {
  const extensions = extensionsOf(field);
  const value = field.default ?? (field.type.kind === "struct" && !field.pointer ? {} : undefined);
  const said = description ? { description } : {};
  const extra: Json = { ...said, ...(value === undefined ? {} : { default: value }), ...extensions };
  if (type["$ref"] === undefined || Object.keys(extra).length === 0) return { ...type, ...extra };
  // Beside a reference nothing else may stand in version 3; in version 2 readers ignore the rule.
  return dialect === 3 ? { allOf: [type], ...extra } : { ...type, ...said, ...extensions };
}

function scalarType(scalar: string, values: readonly string[] | undefined, shared: (name: string) => Json): Json {
  switch (scalar) {
    case "bool":
      return { type: "boolean" };
    case "int32":
    case "int64":
      return { type: "integer", format: scalar };
    case "float64":
      return { type: "number", format: "double" };
    case "bytes":
      return { type: "string", format: "byte" };
    case "time":
      return shared(`${META}.Time`);
    case "microTime":
      return shared(`${META}.MicroTime`);
    case "quantity":
      return shared("io.k8s.apimachinery.pkg.api.resource.Quantity");
    case "intOrString":
      return shared("io.k8s.apimachinery.pkg.util.intstr.IntOrString");
    default:
      return values ? { type: "string", enum: values } : { type: "string" };
  }
}

function extensionsOf(field: FieldSchema): Json {
  return {
    ...(field.listMapKeys ? { "x-kubernetes-list-map-keys": field.listMapKeys } : {}),
    ...(field.listType ? { "x-kubernetes-list-type": field.listType } : {}),
    ...(field.atomicMap || field.atomicStruct || (field.type.kind === "struct" && field.type.atomic)
      ? { "x-kubernetes-map-type": "atomic" }
      : {}),
    ...(field.mergeKey ? { "x-kubernetes-patch-merge-key": field.mergeKey } : {}),
    ...(field.patchStrategy ? { "x-kubernetes-patch-strategy": field.patchStrategy.join(",") } : {}),
  };
}
