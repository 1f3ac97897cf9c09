// Writes src/formats/kube-types.generated.ts: TypeScript shapes of the Kubernetes API's JSON documents,
// from the facts in data/. Times are RFC 3339 strings and quantities strings, as on the wire.
import { readFileSync } from "node:fs";

type Field = { type: string; optional?: boolean } | string[];
type Facts = {
  types: Record<string, { fields?: Record<string, Field>; group?: string; version?: string }>;
  enums: Record<string, string[]>;
  kinds: { group: string; version: string; kind: string }[];
};

const PACKAGES: readonly [string, string][] = [
  ["k8s.io/apimachinery/pkg/apis/meta/v1", ""],
  ["k8s.io/api/core/v1", ""],
  ["k8s.io/api/apps/v1", ""],
  ["k8s.io/api/batch/v1", ""],
  ["k8s.io/api/autoscaling/v2", ""],
  ["k8s.io/api/autoscaling/v1", "V1"],
  ["k8s.io/api/policy/v1", ""],
  ["k8s.io/api/rbac/v1", ""],
  ["k8s.io/api/storage/v1", ""],
  ["k8s.io/api/networking/v1", ""],
  ["k8s.io/api/discovery/v1", ""],
  ["k8s.io/api/coordination/v1", ""],
  ["k8s.io/api/scheduling/v1", ""],
  ["k8s.io/api/node/v1", ""],
  ["k8s.io/api/events/v1", "EventsV1"],
  ["k8s.io/api/authentication/v1", ""],
  ["k8s.io/api/authorization/v1", "Authorization"],
  ["k8s.io/api/certificates/v1", ""],
  ["k8s.io/api/admissionregistration/v1", "Admission"],
];

const SCALARS: Record<string, string> = {
  string: "string",
  bool: "boolean",
  int: "number",
  int32: "number",
  int64: "number",
  int16: "number",
  uint16: "number",
  float64: "number",
  byte: "number",
  "[]byte": "string",
  Time: "string",
  MicroTime: "string",
  "metav1.Time": "string",
  "metav1.MicroTime": "string",
  Duration: "string",
  "metav1.Duration": "string",
  "resource.Quantity": "string",
  "intstr.IntOrString": "number | string",
  "runtime.RawExtension": "unknown",
  "runtime.Object": "unknown",
  "runtime.Unknown": "unknown",
  FieldsV1: "Record<string, unknown>",
  "types.UID": "string",
  UID: "string",
  JSON: "unknown",
  Verbs: "string[]",
  ExtraValue: "string[]",
  ResourceList: "Record<string, string>",
  FinalizerName: "string",
  LabelSet: "Record<string, string>",
};

const facts = JSON.parse(
  readFileSync(new URL("../data/kubernetes-1.36-api-facts.json", import.meta.url), "utf8"),
) as Facts;
const structs = new Set(Object.keys(facts.types).filter((name) => facts.types[name]?.fields));
/** TypeScript name of each Go type; a name that two packages have takes its package's prefix. */
const names = new Map<string, string>();
for (const [pkg, prefix] of PACKAGES) {
  for (const full of structs) {
    const [typePackage, type] = splitType(full);
    if (typePackage !== pkg || type === undefined || !/^[A-Z]/.test(type)) continue;
    const taken = new Set(names.values());
    names.set(
      full,
      taken.has(type) || type === "List"
        ? (prefix ||
            pkg
              .split("/")
              .at(-2)
              ?.replace(/^./, (c) => c.toUpperCase()) ||
            "") + type
        : type,
    );
  }
}

function splitType(full: string): [string, string] {
  const dot = full.lastIndexOf(".");
  return [full.slice(0, dot), full.slice(dot + 1)];
}

const ALIASES: Record<string, string> = {
  metav1: "k8s.io/apimachinery/pkg/apis/meta/v1",
  corev1: "k8s.io/api/core/v1",
  apiv1: "k8s.io/api/core/v1",
  v1: "k8s.io/api/core/v1",
  authnv1: "k8s.io/api/authentication/v1",
  authorizationv1: "k8s.io/api/authorization/v1",
};

function typeOf(goType: string, pkg: string): string {
  const type = goType.replace(/^\*/, "");
  const scalar = SCALARS[type];
  if (scalar) return scalar;
  if (type.startsWith("[]")) return arrayOf(typeOf(type.slice(2), pkg));
  const map = /^map\[[^\]]*\](.*)$/.exec(type);
  if (map) return `Record<string, ${typeOf(map[1] ?? "string", pkg)}>`;
  const [alias, local] = type.includes(".") ? type.split(".") : [undefined, type];
  const home = alias ? (ALIASES[alias] ?? pkg) : pkg;
  for (const candidate of [`${home}.${local}`, `k8s.io/apimachinery/pkg/apis/meta/v1.${local}`]) {
    const name = names.get(candidate);
    if (name) return name;
    if (facts.enums[candidate]) return "string";
  }
  return "string";
}

function arrayOf(element: string): string {
  return element.includes("|") ? `(${element})[]` : `${element}[]`;
}

/** The fields of a struct with its embedded structs' fields in place. */
function fieldsOf(full: string): [string, { type: string; optional?: boolean }, string][] {
  const [pkg] = splitType(full);
  const out: [string, { type: string; optional?: boolean }, string][] = [];
  for (const [name, field] of Object.entries(facts.types[full]?.fields ?? {})) {
    if (name === "$inline") {
      for (const embedded of field as string[]) {
        const [alias, local] = embedded.includes(".") ? embedded.split(".") : [undefined, embedded];
        if (local === "TypeMeta")
          out.push(
            ["apiVersion", { type: "string", optional: true }, pkg],
            ["kind", { type: "string", optional: true }, pkg],
          );
        else out.push(...fieldsOf(`${alias ? (ALIASES[alias] ?? pkg) : pkg}.${local}`));
      }
    } else if (!Array.isArray(field)) out.push([name, field, pkg]);
  }
  return out;
}

const roots = new Set(facts.kinds.map((kind) => kind.kind));

export function kubeTypes(): string {
  const lines = [
    "// Generated by scripts/generate-kube-types.ts from data/kubernetes-1.36-api-facts.json. Do not edit.",
    "",
  ];
  for (const [full, name] of names) {
    const [pkg, type] = splitType(full);
    if (SCALARS[type] && pkg.includes("meta/v1")) continue;
    lines.push(`/** ${full} */`, `export interface ${name} {`);
    for (const [field, info, home] of fieldsOf(full)) {
      const required = field === "metadata" && roots.has(type) ? true : info.optional === false;
      lines.push(
        `  ${/^[\w$]+$/.test(field) ? field : JSON.stringify(field)}${required ? "" : "?"}: ${typeOf(info.type, home)};`,
      );
    }
    lines.push("}", "");
  }
  return lines.join("\n");
}
