import type { KubeObject } from "#formats/kube-object.ts";
import { matchesSelector, selectorOf } from "#formats/selectors.ts";
import type { LabelSelector } from "#formats/kube-types.generated.ts";
import type { Attributes } from "../admission.ts";
import type { Webhook, WebhookRule } from "./configuration.ts";

/** Whether a webhook wants to hear of a request. `namespace` is the namespace's object, for requests in one. */
export function wants(webhook: Webhook, attributes: Attributes, namespace: KubeObject | undefined): boolean {
  if (!(webhook.rules ?? []).some((rule) => ruleMatches(rule, attributes))) return false;
  return (
    namespaceMatches(webhook.namespaceSelector, attributes, namespace) &&
    objectMatches(webhook.objectSelector, attributes)
  );
}

function ruleMatches(rule: WebhookRule, { operation, definition, subresource }: Attributes): boolean {
  const { operations = [], apiGroups = [], apiVersions = [], resources = [], scope = "*" } = rule;
  const namespaced = definition.namespaced;
  if (scope !== "*" && (scope === "Namespaced") !== namespaced) return false;
  return (
    has(operations, operation) &&
    has(apiGroups, definition.group) &&
    has(apiVersions, definition.version) &&
    resources.some((pattern) => resourceMatches(pattern, definition.resource, subresource))
  );
}

function has(list: readonly string[], wanted: string): boolean {
  return list.includes("*") || list.includes(wanted);
}

// `pods`, all of its subresources (`pods/*`), one subresource of all resources, everything.
function resourceMatches(pattern: string, resource: string, subresource: string): boolean {
  const [wanted = "", sub = ""] = pattern.split("/");
  if (wanted !== "*" && wanted !== resource) return false;
  return sub === "*" || sub === subresource;
}

function namespaceMatches(
  selector: LabelSelector | undefined,
  attributes: Attributes,
  namespace: KubeObject | undefined,
): boolean {
  if (!selector || isEmpty(selector)) return true;
  const isNamespace = attributes.definition.group === "" && attributes.definition.resource === "namespaces";
  // A namespace is selected by its own labels; other cluster-scoped objects always are.
  const labelled = isNamespace ? (attributes.object ?? attributes.old) : namespace;
  if (!attributes.definition.namespaced && !isNamespace) return true;
  return matchesSelector(selectorOf(selector), labelled?.metadata.labels);
}

function objectMatches(selector: LabelSelector | undefined, { object, old }: Attributes): boolean {
  if (!selector || isEmpty(selector)) return true;
  const parsed = selectorOf(selector);
  return [object, old].some((one) => one !== undefined && matchesSelector(parsed, one.metadata.labels));
}

function isEmpty({ matchLabels = {}, matchExpressions = [] }: LabelSelector): boolean {
  return Object.keys(matchLabels).length === 0 && matchExpressions.length === 0;
}
