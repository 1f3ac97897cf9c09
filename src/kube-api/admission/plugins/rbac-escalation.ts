// Nobody gives away rights that they do not have (k8s.io/kubernetes pkg/registry/rbac/*/policybased).
import type { KubeObject } from "#formats/kube-object.ts";
import type { ClusterRole, PolicyRule, RoleBinding } from "#formats/kube-types.generated.ts";
import { sameTree } from "#formats/tree.ts";
import type { Authorizer } from "../../auth/authorizer.ts";
import { aggregated, type Rbac } from "../../auth/rbac.ts";
import type { User } from "../../context.ts";
import { forbidden, notFound } from "../../status.ts";
import type { AdmissionPlugin, Attributes } from "../admission.ts";
import type { Lister } from "../reader.ts";

const GROUP = "rbac.authorization.k8s.io";

export function rbacEscalation(rbac: Rbac, authorizer: Authorizer, list: Lister): AdmissionPlugin {
  return {
    name: "RBACEscalation",
    async validate(attributes) {
      const { operation, definition, object, old, context } = attributes;
      if (definition.group !== GROUP || !object || (operation !== "CREATE" && operation !== "UPDATE")) return;
      if (context.user.groups.includes("system:masters")) return;
      if (definition.resource.endsWith("roles")) return checkRole(rbac, authorizer, list, attributes, object, old);
      checkBinding(rbac, authorizer, attributes, object as RoleBinding & KubeObject, old);
    },
  };
}

function may(
  authorizer: Authorizer,
  { context, namespace }: Attributes,
  verb: string,
  resource: string,
  name: string,
): boolean {
  return authorizer.authorize(context.user, { verb, group: GROUP, resource, subresource: "", namespace, name }).allowed;
}

async function checkRole(
  rbac: Rbac,
  authorizer: Authorizer,
  list: Lister,
  attributes: Attributes,
  object: KubeObject,
  old: KubeObject | undefined,
): Promise<void> {
  const role = object as ClusterRole & KubeObject;
  const before = old as (ClusterRole & KubeObject) | undefined;
  if (
    before &&
    sameTree(before.rules ?? [], role.rules ?? []) &&
    sameTree(before.aggregationRule, role.aggregationRule)
  )
    return;
  if (may(authorizer, attributes, "escalate", attributes.definition.resource, role.metadata.name ?? "")) return;
  const more = role.aggregationRule ? aggregated(role, await list(`clusterroles.${GROUP}`, "")) : [];
  requireHeld(rbac, attributes, [...(role.rules ?? []), ...more]);
}

function checkBinding(
  rbac: Rbac,
  authorizer: Authorizer,
  attributes: Attributes,
  binding: RoleBinding & KubeObject,
  old: KubeObject | undefined,
): void {
  const before = old as (RoleBinding & KubeObject) | undefined;
  if (before && sameTree(before.roleRef, binding.roleRef) && sameTree(before.subjects ?? [], binding.subjects ?? []))
    return;
  const { roleRef } = binding;
  const resource = roleRef.kind === "ClusterRole" ? "clusterroles" : "roles";
  if (may(authorizer, attributes, "bind", resource, roleRef.name)) return;
  const rules = rbac.rulesOfRole(roleRef, attributes.namespace);
  if (!rules) throw notFound({ group: GROUP, resource }, roleRef.name);
  requireHeld(rbac, attributes, rules);
}

function requireHeld(rbac: Rbac, attributes: Attributes, wanted: readonly PolicyRule[]): void {
  const { context, namespace, definition, object, name } = attributes;
  const { everywhere, byNamespace } = rbac.rulesOf(context.user);
  const held = [...everywhere, ...(namespace === "" ? [] : (byNamespace.get(namespace) ?? []))];
  const missing = wanted.flatMap(atoms).filter((atom) => !held.some((rule) => covers(rule, atom)));
  if (missing.length === 0) return;
  const texts = Array.from(new Set(missing.map(describe)))
    .slice(0, MAX_SHOWN)
    .toSorted();
  const why = `user ${JSON.stringify(context.user.name)} (groups=[${showGroups(context.user)}]) is attempting to grant RBAC permissions not currently held:\n${texts.join("\n")}`;
  throw forbidden(definition, object?.metadata.name ?? name, why);
}

const MAX_SHOWN = 100;

function showGroups({ groups }: User): string {
  return groups.map((group) => JSON.stringify(group)).join(" ");
}

/** One verb on one thing. */
type Atom =
  | { readonly verb: string; readonly group: string; readonly resource: string; readonly name: string | undefined }
  | { readonly verb: string; readonly url: string };

function atoms({
  verbs,
  apiGroups = [],
  resources = [],
  resourceNames = [],
  nonResourceURLs = [],
}: PolicyRule): Atom[] {
  const names: readonly (string | undefined)[] = resourceNames.length > 0 ? resourceNames : [undefined];
  return verbs.flatMap((verb): Atom[] => [
    ...nonResourceURLs.map((url) => ({ verb, url })),
    ...apiGroups.flatMap((group) =>
      resources.flatMap((resource) => names.map((name) => ({ verb, group, resource, name }))),
    ),
  ]);
}

function has(list: readonly string[], wanted: string): boolean {
  return list.includes("*") || list.includes(wanted);
}

function covers(rule: PolicyRule, atom: Atom): boolean {
  if (!has(rule.verbs, atom.verb)) return false;
  if ("url" in atom) {
    return (rule.nonResourceURLs ?? []).some(
      (pattern) =>
        pattern === "*" || pattern === atom.url || (pattern.endsWith("*") && atom.url.startsWith(pattern.slice(0, -1))),
    );
  }
  const [, sub] = atom.resource.split("/");
  const resources = rule.resources ?? [];
  const names = rule.resourceNames ?? [];
  if (!has(rule.apiGroups ?? [], atom.group)) return false;
  if (!has(resources, atom.resource) && !(sub !== undefined && resources.includes(`*/${sub}`))) return false;
  return names.length === 0 || (atom.name !== undefined && names.includes(atom.name));
}

function describe(atom: Atom): string {
  if ("url" in atom) return `{NonResourceURLs:["${atom.url}"], Verbs:["${atom.verb}"]}`;
  const names = atom.name === undefined ? "" : `, ResourceNames:["${atom.name}"]`;
  return `{APIGroups:["${atom.group}"], Resources:["${atom.resource}"]${names}, Verbs:["${atom.verb}"]}`;
}
