// The Kubernetes API facts of data/, as the generators read them.
import { readFileSync } from "node:fs";

/** One JSON field of a Go struct. */
export interface FactField {
  readonly type: string;
  readonly optional?: boolean;
  readonly alwaysEncoded?: boolean;
  readonly proto?: number;
  readonly protoType?: string;
  readonly listType?: "atomic" | "map" | "set";
  readonly listMapKeys?: readonly string[];
  readonly mergeKey?: string;
  readonly patchStrategy?: string;
  readonly default?: string;
  readonly mapType?: string;
  readonly structType?: string;
}

export interface FactType {
  readonly group: string | null;
  readonly version: string;
  readonly structType?: string;
  readonly protoOnly?: Readonly<Record<string, number>>;
  readonly fields: Readonly<Record<string, FactField | readonly string[]>>;
}

interface Facts {
  readonly types: Record<string, FactType>;
  readonly enums: Record<string, string[]>;
}

export const META = "k8s.io/apimachinery/pkg/apis/meta/v1";
export const CORE = "k8s.io/api/core/v1";
export const APIEXTENSIONS = "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1";

/** Go package of each group version whose kinds Gantry knows. */
export const GROUP_PACKAGES: Readonly<Record<string, string>> = {
  v1: CORE,
  "apps/v1": "k8s.io/api/apps/v1",
  "batch/v1": "k8s.io/api/batch/v1",
  "autoscaling/v1": "k8s.io/api/autoscaling/v1",
  "autoscaling/v2": "k8s.io/api/autoscaling/v2",
  "policy/v1": "k8s.io/api/policy/v1",
  "rbac.authorization.k8s.io/v1": "k8s.io/api/rbac/v1",
  "storage.k8s.io/v1": "k8s.io/api/storage/v1",
  "networking.k8s.io/v1": "k8s.io/api/networking/v1",
  "discovery.k8s.io/v1": "k8s.io/api/discovery/v1",
  "coordination.k8s.io/v1": "k8s.io/api/coordination/v1",
  "scheduling.k8s.io/v1": "k8s.io/api/scheduling/v1",
  "node.k8s.io/v1": "k8s.io/api/node/v1",
  "events.k8s.io/v1": "k8s.io/api/events/v1",
  "authentication.k8s.io/v1": "k8s.io/api/authentication/v1",
  "authorization.k8s.io/v1": "k8s.io/api/authorization/v1",
  "certificates.k8s.io/v1": "k8s.io/api/certificates/v1",
  "admissionregistration.k8s.io/v1": "k8s.io/api/admissionregistration/v1",
  "admission.k8s.io/v1": "k8s.io/api/admission/v1",
  "flowcontrol.apiserver.k8s.io/v1": "k8s.io/api/flowcontrol/v1",
  "resource.k8s.io/v1": "k8s.io/api/resource/v1",
  "apidiscovery.k8s.io/v2": "k8s.io/api/apidiscovery/v2",
  "apiextensions.k8s.io/v1": APIEXTENSIONS,
  "apiregistration.k8s.io/v1": "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1",
  "meta.k8s.io/v1": META,
};

export const facts = JSON.parse(
  readFileSync(new URL("../data/kubernetes-1.36-api-facts.json", import.meta.url), "utf8"),
) as Facts;

addNewerCustomResourceFields();

/** The facts have apiextensions as of 1.20; these fields came later (k8s.io/apiextensions-apiserver, types.go). */
function addNewerCustomResourceFields(): void {
  const home = (name: string): string => `${APIEXTENSIONS}.${name}`;
  const extend = (name: string, fields: Record<string, FactField>): void => {
    const type = facts.types[home(name)];
    if (!type) throw new Error(`no facts about ${name}`);
    facts.types[home(name)] = { ...type, fields: { ...type.fields, ...fields } };
  };
  const text = (proto: number, optional = true): FactField => ({
    type: "string",
    optional,
    proto,
    protoType: "string",
  });
  const group = { group: "apiextensions.k8s.io", version: "v1" };
  // A struct without fields.
  facts.types[home("CustomResourceSubresourceStatus")] = { ...group, fields: {} };
  facts.types[home("SelectableField")] = { ...group, fields: { jsonPath: text(1, false) } };
  facts.types[home("ValidationRule")] = {
    ...group,
    fields: {
      rule: text(1, false),
      message: text(2),
      messageExpression: text(3),
      reason: { ...text(4), type: "*FieldValueErrorReason" },
      fieldPath: text(5),
      optionalOldSelf: { type: "*bool", optional: true, proto: 6, protoType: "bool" },
    },
  };
  facts.enums[home("FieldValueErrorReason")] = [
    "FieldValueInvalid",
    "FieldValueForbidden",
    "FieldValueRequired",
    "FieldValueDuplicate",
  ];
  extend("CustomResourceDefinitionVersion", {
    selectableFields: {
      type: "[]SelectableField",
      optional: true,
      listType: "atomic",
      proto: 9,
      protoType: "repeated SelectableField",
    },
  });
  extend("JSONSchemaProps", {
    "x-kubernetes-validations": {
      type: "[]ValidationRule",
      optional: true,
      listType: "map",
      listMapKeys: ["rule"],
      mergeKey: "rule",
      patchStrategy: "merge",
      proto: 44,
      protoType: "repeated ValidationRule",
    },
  });
  extend("CustomResourceDefinitionStatus", {
    observedGeneration: { type: "int64", optional: true, proto: 4, protoType: "int64" },
  });
}

export function splitType(full: string): [pkg: string, name: string] {
  const dot = full.lastIndexOf(".");
  return [full.slice(0, dot), full.slice(dot + 1)];
}

/** The full name of a type that a struct of `pkg` mentions: `metav1.Time`, `PodSpec`. */
export function resolveType(mentioned: string, pkg: string): string {
  const [alias, name] = mentioned.includes(".") ? splitType(mentioned) : ["", mentioned];
  if (alias === "") return `${pkg}.${name}`;
  const candidates = [ALIASES[alias] ?? pkg, CORE, META, "k8s.io/api/batch/v1", "k8s.io/api/authentication/v1"];
  const found = candidates.find((home) => facts.types[`${home}.${name}`] ?? facts.enums[`${home}.${name}`]);
  return `${found ?? ALIASES[alias] ?? CORE}.${name}`;
}

const ALIASES: Readonly<Record<string, string>> = {
  metav1: META,
  corev1: CORE,
  apiv1: CORE,
  batchv1: "k8s.io/api/batch/v1",
  authnv1: "k8s.io/api/authentication/v1",
  authenticationv1: "k8s.io/api/authentication/v1",
  authorizationv1: "k8s.io/api/authorization/v1",
  resource: "k8s.io/apimachinery/pkg/api/resource",
  runtime: "k8s.io/apimachinery/pkg/runtime",
  intstr: "k8s.io/apimachinery/pkg/util/intstr",
  types: "k8s.io/apimachinery/pkg/types",
};

/** A struct's JSON fields, those of embedded structs in place, with the package that each type name is relative to. */
export function flatFields(full: string): [name: string, field: FactField, pkg: string][] {
  const [pkg] = splitType(full);
  const out: [string, FactField, string][] = [];
  for (const [name, field] of Object.entries(facts.types[full]?.fields ?? {})) {
    if (name !== "$inline") {
      if (!Array.isArray(field)) out.push([name, field as FactField, pkg]);
      continue;
    }
    for (const embedded of field as readonly string[]) {
      if (embedded.endsWith("TypeMeta")) {
        out.push(
          ["apiVersion", { type: "string", optional: true }, pkg],
          ["kind", { type: "string", optional: true }, pkg],
        );
      } else out.push(...flatFields(resolveType(embedded, pkg)));
    }
  }
  return out;
}
