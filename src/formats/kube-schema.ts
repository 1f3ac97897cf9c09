// What the Kubernetes API's kinds are made of: fields, types, list semantics, defaults, enums.
// Built from kube-schema/schema.generated.ts on first use, each type when it is first reached.
import { createHash } from "node:crypto";
import { SCHEMA_JSON } from "./kube-schema/schema.generated.ts";

export type ScalarType =
  | "string"
  | "bool"
  | "int32"
  | "int64"
  | "float64"
  | "bytes"
  | "time"
  | "microTime"
  | "duration"
  | "quantity"
  | "intOrString";

export interface ScalarSchema {
  readonly kind: "scalar";
  readonly scalar: ScalarType;
  /** As Go names it in errors: `v1.Protocol`. */
  readonly goName: string;
  readonly enum?: readonly string[];
}

export interface ListSchema {
  readonly kind: "list";
  readonly items: Schema;
  readonly goName: string;
}

export interface MapSchema {
  readonly kind: "map";
  readonly values: Schema;
  readonly goName: string;
}

export interface StructSchema {
  readonly kind: "struct";
  /** `io.k8s.api.core.v1.Container`, its name in OpenAPI documents. */
  readonly name: string;
  readonly goName: string;
  /** Server-side apply owns it as a whole. */
  readonly atomic: boolean;
  readonly fields: ReadonlyMap<string, FieldSchema>;
}

/** Any JSON value. */
export interface AnySchema {
  readonly kind: "any";
  readonly goName: string;
}

/** A struct, or a list of it, a boolean, or a list of strings (JSON schema's `items`, `additionalProperties`, `dependencies`). */
export interface UnionSchema {
  readonly kind: "union";
  readonly struct: Schema;
  readonly other: "list" | "bool" | "strings";
  readonly goName: string;
}

export type Schema = ScalarSchema | ListSchema | MapSchema | StructSchema | AnySchema | UnionSchema;

export interface FieldSchema {
  readonly name: string;
  readonly type: Schema;
  /** Go encodes it even when empty, and OpenAPI lists it as required. */
  readonly required: boolean;
  /** Empty and absent differ. */
  readonly pointer: boolean;
  /** Optional, yet encoded when empty. */
  readonly alwaysEncoded: boolean;
  readonly default?: unknown;
  readonly listType?: "atomic" | "map" | "set";
  readonly listMapKeys?: readonly string[];
  readonly atomicMap?: boolean;
  readonly atomicStruct?: boolean;
  readonly patchStrategy?: readonly string[];
  readonly mergeKey?: string;
}

export interface GroupVersionKind {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
}

type RawField = [name: string, type: string, flags: number, extras?: RawExtras];
interface RawExtras {
  readonly l?: "atomic" | "map" | "set";
  readonly k?: readonly string[];
  readonly p?: readonly string[];
  readonly m?: string;
  readonly a?: 1;
  readonly s?: 1;
  readonly d?: unknown;
}
interface RawSchema {
  readonly packages: readonly string[];
  readonly types: readonly [pkg: number, name: string, atomic: 0 | 1, fields: readonly RawField[]][];
  readonly strings: readonly [goName: string, values: readonly string[]][];
  readonly kinds: Readonly<Record<string, number>>;
}

let raw: RawSchema | undefined;
const structs = new Map<number, StructSchema>();

function load(): RawSchema {
  raw ??= JSON.parse(SCHEMA_JSON) as RawSchema;
  return raw;
}

/** `apps/v1`, or `v1` for the core group. */
export function groupVersion(group: string, version: string): string {
  return group === "" ? version : `${group}/${version}`;
}

/** The parts of an `apiVersion`. */
export function splitGroupVersion(apiVersion: string): { group: string; version: string } {
  const slash = apiVersion.indexOf("/");
  return slash < 0
    ? { group: "", version: apiVersion }
    : { group: apiVersion.slice(0, slash), version: apiVersion.slice(slash + 1) };
}

/** The schema of a built-in kind (lists and the meta kinds among them); undefined for kinds that Gantry does not know. */
export function kindSchema({ group, version, kind }: GroupVersionKind): StructSchema | undefined {
  const { kinds } = load();
  const key = `${groupVersion(group, version)}/${kind}`;
  const own = Object.hasOwn(kinds, key) ? kinds[key] : undefined;
  // Options and lists of options (DeleteOptions, Status, …) belong to every group.
  const meta = `meta.k8s.io/v1/${kind}`;
  const index = own ?? (Object.hasOwn(kinds, meta) ? kinds[meta] : undefined);
  return index === undefined ? undefined : struct(index);
}

/** Every built-in kind with its struct's OpenAPI name. */
export function schemaKinds(): { group: string; version: string; kind: string; name: string }[] {
  return Object.entries(load().kinds).map(([key, index]) => {
    const slash = key.lastIndexOf("/");
    return { ...splitGroupVersion(key.slice(0, slash)), kind: key.slice(slash + 1), name: struct(index).name };
  });
}

/** The field at a path of names, through lists and maps: `["spec", "template", "spec", "containers"]`. */
export function fieldAt(schema: Schema, path: readonly string[]): FieldSchema | undefined {
  let current: Schema = schema;
  let field: FieldSchema | undefined;
  for (const name of path) {
    while (current.kind === "list") current = current.items;
    if (current.kind !== "struct") return undefined;
    field = current.fields.get(name);
    if (!field) return undefined;
    current = field.type;
  }
  return field;
}

function struct(index: number): StructSchema {
  const known = structs.get(index);
  if (known) return known;
  const entry = load().types[index];
  if (!entry) throw new Error(`no schema type ${index}`);
  const [pkg, name, atomic, fields] = entry;
  const path = load().packages[pkg] ?? "";
  let built: ReadonlyMap<string, FieldSchema> | undefined;
  const schema: StructSchema = {
    kind: "struct",
    name: `${openApiPackage(path)}.${name}`,
    goName: `${path.slice(path.lastIndexOf("/") + 1)}.${name}`,
    atomic: atomic === 1,
    // On demand: types refer to themselves (JSONSchemaProps), and most are never reached.
    get fields() {
      built ??= new Map(fields.map((field) => [field[0], fieldSchema(field)]));
      return built;
    },
  };
  structs.set(index, schema);
  return schema;
}

/** `k8s.io/api/core/v1` is `io.k8s.api.core.v1`. */
function openApiPackage(path: string): string {
  const [host = "", ...rest] = path.split("/");
  return [...host.split(".").reverse(), ...rest].join(".");
}

function fieldSchema([name, type, flags, extras = {}]: RawField): FieldSchema {
  return {
    name,
    type: readType(type),
    required: (flags & 1) !== 0,
    pointer: (flags & 2) !== 0,
    alwaysEncoded: (flags & 4) !== 0,
    ...(extras.d === undefined ? {} : { default: extras.d }),
    ...(extras.l ? { listType: extras.l } : {}),
    ...(extras.k ? { listMapKeys: extras.k } : {}),
    ...(extras.a ? { atomicMap: true } : {}),
    ...(extras.s ? { atomicStruct: true } : {}),
    ...(extras.p ? { patchStrategy: extras.p } : {}),
    ...(extras.m ? { mergeKey: extras.m } : {}),
  };
}

const scalar = (name: ScalarType, goName: string): ScalarSchema => ({ kind: "scalar", scalar: name, goName });
const SCALARS: Readonly<Record<string, ScalarSchema>> = {
  s: scalar("string", "string"),
  b: scalar("bool", "bool"),
  i: scalar("int32", "int32"),
  l: scalar("int64", "int64"),
  d: scalar("float64", "float64"),
  y: scalar("bytes", "[]uint8"),
  t: scalar("time", "v1.Time"),
  u: scalar("microTime", "v1.MicroTime"),
  D: scalar("duration", "v1.Duration"),
  q: scalar("quantity", "resource.Quantity"),
  o: scalar("intOrString", "intstr.IntOrString"),
};
const ANY: AnySchema = { kind: "any", goName: "interface {}" };

/** `[` list of, `{` map to, `#n` struct, `Sn` named string, `A B C` unions, one letter for the rest. */
function readType(code: string): Schema {
  const rest = code.slice(1);
  switch (code.charAt(0)) {
    case "[": {
      const items = readType(rest);
      return { kind: "list", items, goName: `[]${items.goName}` };
    }
    case "{": {
      const values = readType(rest);
      return { kind: "map", values, goName: `map[string]${values.goName}` };
    }
    case "R":
      return { kind: "map", values: readType("q"), goName: "v1.ResourceList" };
    case "#":
      return struct(Number(rest));
    case "S": {
      const [goName, values] = load().strings[Number(rest)] ?? ["string", []];
      return { kind: "scalar", scalar: "string", goName, ...(values.length > 0 ? { enum: values } : {}) };
    }
    case "A":
      return { kind: "union", struct: readType(rest), other: "list", goName: "v1.JSONSchemaPropsOrArray" };
    case "B":
      return { kind: "union", struct: readType(rest), other: "bool", goName: "v1.JSONSchemaPropsOrBool" };
    case "C":
      return { kind: "union", struct: readType(rest), other: "strings", goName: "v1.JSONSchemaPropsOrStringArray" };
    case "x":
      return ANY;
    default:
      return SCALARS[code] ?? ANY;
  }
}

let fingerprint: string | undefined;

/** Changes whenever a built-in kind does. */
export function schemaFingerprint(): string {
  fingerprint ??= createHash("sha256").update(SCHEMA_JSON).digest("hex");
  return fingerprint;
}
