// Field selectors (k8s.io/apimachinery/pkg/fields) and the fields that each kind lets itself be selected by.
import { GantryError } from "#base/errors.ts";
import type { KubeObject } from "./kube-object.ts";

/** One condition on one field. */
export interface FieldRequirement {
  readonly field: string;
  readonly negated: boolean;
  readonly value: string;
}

/** Parses `a=b,c!=d` with `\,`, `\=` and `\\` as escapes. Throws `invalid` with Kubernetes' text. */
export function parseFieldSelector(text: string): FieldRequirement[] {
  const requirements: FieldRequirement[] = [];
  for (const term of splitTerms(text)) {
    if (term === "") continue;
    const operator = findOperator(term);
    if (!operator) {
      throw new GantryError("invalid", `invalid selector: '${text}'; can't understand '${term}'`);
    }
    const [at, symbol] = operator;
    const value = unescapeValue(term.slice(at + symbol.length));
    requirements.push({ field: term.slice(0, at), negated: symbol === "!=", value });
  }
  return requirements;
}

/** Splits at commas that are not escaped. */
function splitTerms(text: string): string[] {
  const terms: string[] = [];
  let start = 0;
  for (let at = 0; at < text.length; at++) {
    const char = text.charAt(at);
    if (char === "\\") at++;
    else if (char === ",") {
      terms.push(text.slice(start, at));
      start = at + 1;
    }
  }
  terms.push(text.slice(start));
  return terms;
}

function findOperator(term: string): [number, "=" | "==" | "!="] | undefined {
  for (let at = 0; at < term.length; at++) {
    for (const symbol of ["!=", "==", "="] as const) if (term.startsWith(symbol, at)) return [at, symbol];
  }
  return undefined;
}

function unescapeValue(text: string): string {
  let value = "";
  for (let at = 0; at < text.length; at++) {
    const char = text.charAt(at);
    if (char === "\\") {
      const next = text.charAt(++at);
      if (next !== "\\" && next !== "," && next !== "=") {
        throw new GantryError("invalid", `invalid field selector: invalid escape sequence: \\${next}`);
      }
      value += next;
    } else if (char === "," || char === "=") {
      throw new GantryError("invalid", `invalid field selector: unescaped character in value: ${char}`);
    } else value += char;
  }
  return value;
}

/** The selector as text that parseFieldSelector reads back. */
export function formatFieldSelector(requirements: readonly FieldRequirement[]): string {
  const escape = (value: string): string => value.replaceAll(/[\\,=]/g, (char) => `\\${char}`);
  return requirements.map(({ field, negated, value }) => `${field}${negated ? "!=" : "="}${escape(value)}`).join(",");
}

/** True when every requirement holds for an object of `group`/`kind`. Throws `invalid` for a field that it does not offer. */
export function matchesFields(
  requirements: readonly FieldRequirement[],
  group: string,
  kind: string,
  object: KubeObject,
): boolean {
  return requirements.every(
    ({ field, negated, value }) => (fieldValue(group, kind, object, field) === value) !== negated,
  );
}

/** Throws `invalid` for the first field that `group`/`kind` cannot be selected by. */
export function checkFieldSelector(requirements: readonly FieldRequirement[], group: string, kind: string): void {
  const empty: KubeObject = { metadata: {} };
  for (const { field } of requirements) fieldValue(group, kind, empty, field);
}

/** Dotted paths below the object, by group/kind; metadata.name and metadata.namespace always work. */
const SELECTABLE: Readonly<Record<string, readonly string[]>> = {
  "/Pod": [
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.schedulerName",
    "spec.serviceAccountName",
    "spec.hostNetwork",
    "status.phase",
    "status.podIP",
    "status.podIPs",
    "status.nominatedNodeName",
  ],
  "/Node": ["spec.unschedulable"],
  "/Namespace": ["status.phase"],
  "/Secret": ["type"],
  "/ReplicationController": ["status.replicas"],
  "/Service": ["spec.clusterIP", "spec.type"],
  "/Event": [
    "involvedObject.kind",
    "involvedObject.namespace",
    "involvedObject.name",
    "involvedObject.uid",
    "involvedObject.apiVersion",
    "involvedObject.resourceVersion",
    "involvedObject.fieldPath",
    "reason",
    "reportingComponent",
    "source",
    "type",
  ],
  "events.k8s.io/Event": [
    "reason",
    "regarding.kind",
    "regarding.namespace",
    "regarding.name",
    "regarding.uid",
    "regarding.apiVersion",
    "regarding.resourceVersion",
    "regarding.fieldPath",
    "reportingController",
    "type",
  ],
  "apps/ReplicaSet": ["status.replicas"],
  "batch/Job": ["status.successful"],
  "certificates.k8s.io/CertificateSigningRequest": ["spec.signerName"],
  "certificates.k8s.io/ClusterTrustBundle": ["spec.signerName"],
  "resource.k8s.io/ResourceSlice": ["spec.nodeName", "spec.driver"],
};

const DEFAULTS: Readonly<Record<string, string>> = {
  "spec.hostNetwork": "false",
  "spec.unschedulable": "false",
  "status.replicas": "0",
  "status.successful": "0",
};

/** The text of one selectable field of an object; "" when it has none. */
export function fieldValue(group: string, kind: string, object: KubeObject, field: string): string {
  if (field === "metadata.name") return object.metadata.name ?? "";
  if (field === "metadata.namespace") return object.metadata.namespace ?? "";
  const known = SELECTABLE[`${group}/${kind}`];
  if (!known) {
    const only = '"metadata.name", "metadata.namespace"';
    throw new GantryError("invalid", `${JSON.stringify(field)} is not a known field selector: only ${only}`);
  }
  if (!known.includes(field)) throw new GantryError("invalid", `field label not supported: ${field}`);
  if (kind === "Event" && field === "source") return eventSource(object);
  if (field === "status.podIPs") return podIps(object);
  if (field === "status.successful") return text(pathValue(object, "status.succeeded")) || "0";
  return text(pathValue(object, field)) || (DEFAULTS[field] ?? "");
}

function pathValue(object: unknown, path: string): unknown {
  let value = object;
  for (const key of path.split(".")) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) return undefined;
    value = (value as Record<string, unknown>)[key];
  }
  return value;
}

function text(value: unknown): string {
  return typeof value === "string"
    ? value
    : typeof value === "number" || typeof value === "boolean"
      ? String(value)
      : "";
}

function eventSource(object: KubeObject): string {
  return text(pathValue(object, "source.component")) || text(pathValue(object, "reportingComponent"));
}

function podIps(object: KubeObject): string {
  const ips = pathValue(object, "status.podIPs");
  return Array.isArray(ips) ? ips.map((entry) => text(pathValue(entry, "ip"))).join(",") : "";
}
