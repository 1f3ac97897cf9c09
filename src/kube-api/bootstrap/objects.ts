// What every cluster has from its first second.
import type { KubeObject, Typed } from "#formats/kube-object.ts";
import { RESOURCES } from "#formats/kube-resources.ts";
import type { ClusterRole, PolicyRule } from "#formats/kube-types.generated.ts";
import { aggregated } from "../auth/rbac.ts";
import { BOOTSTRAP_RBAC_JSON } from "./rbac.generated.ts";

export interface BootstrapObject {
  readonly group: string;
  readonly version: string;
  readonly resource: string;
  readonly namespace: string;
  readonly object: KubeObject;
}

interface RbacFacts {
  readonly clusterroles: readonly RoleFacts[];
  readonly clusterrolebindings: readonly BindingFacts[];
  readonly roles: readonly RoleFacts[];
  readonly rolebindings: readonly BindingFacts[];
  readonly priorityclasses: readonly {
    readonly name: string;
    readonly value: number;
    readonly preemptionPolicy: string;
  }[];
}

interface Named {
  readonly name: string;
  readonly namespace?: string;
  readonly labels?: Record<string, string>;
}

interface RoleFacts extends Named {
  readonly rules: PolicyRule[] | null;
  readonly aggregationRule?: object;
}

interface BindingFacts extends Named {
  readonly roleRef: object;
  readonly subjects?: readonly object[];
}

const NAMESPACES = ["default", "kube-system", "kube-public", "kube-node-lease"];
/** As upstream marks objects that a newer server may change again. */
const AUTO_UPDATE = { "rbac.authorization.kubernetes.io/autoupdate": "true" };

/** Namespaces, priority classes, roles and bindings. */
export function bootstrapObjects(): BootstrapObject[] {
  const facts = JSON.parse(BOOTSTRAP_RBAC_JSON) as RbacFacts;
  const clusterRoles = facts.clusterroles.map(roleObject);
  const place =
    (resource: Typed<KubeObject>) =>
    (object: KubeObject): BootstrapObject => ({
      ...resource,
      namespace: object.metadata.namespace ?? "",
      object,
    });
  return [
    ...NAMESPACES.map((name) => place(RESOURCES.namespaces)({ metadata: { name } })),
    ...clusterRoles.map((role) => place(RESOURCES.clusterroles)(withAggregated(role, clusterRoles))),
    ...facts.clusterrolebindings.map(bindingObject).map(place(RESOURCES.clusterrolebindings)),
    ...facts.roles.map(roleObject).map(place(RESOURCES.roles)),
    ...facts.rolebindings.map(bindingObject).map(place(RESOURCES.rolebindings)),
    ...facts.priorityclasses.map(priorityClass).map(place(RESOURCES.priorityclasses)),
  ];
}

function metadataOf({ name, namespace, labels }: Named): KubeObject["metadata"] {
  return {
    name,
    ...(namespace === undefined ? {} : { namespace }),
    ...(labels ? { labels } : {}),
    annotations: { ...AUTO_UPDATE },
  };
}

function roleObject(facts: RoleFacts): KubeObject {
  const { rules, aggregationRule } = facts;
  return {
    metadata: metadataOf(facts),
    rules: rules ?? [],
    ...(aggregationRule ? { aggregationRule } : {}),
  } as KubeObject;
}

/** What the aggregation controller would write: there from the start. */
function withAggregated(role: KubeObject, all: readonly KubeObject[]): KubeObject {
  if (!(role as ClusterRole).aggregationRule) return role;
  const parts = all.filter((other) => !(other as ClusterRole).aggregationRule);
  const rules = aggregated(role as ClusterRole, [...parts, ...nested(all, role)]);
  return { ...role, rules } as KubeObject;
}

/** `admin` aggregates `edit`'s parts by their labels too, so only other aggregating roles are left to resolve. */
function nested(all: readonly KubeObject[], role: KubeObject): KubeObject[] {
  return all
    .filter(
      (other) =>
        other !== role &&
        (other as ClusterRole).aggregationRule &&
        Object.keys(other.metadata.labels ?? {}).some((label) => label.includes("aggregate-to")),
    )
    .map(
      (other) =>
        ({
          ...other,
          rules: aggregated(
            other as ClusterRole,
            all.filter((one) => !(one as ClusterRole).aggregationRule),
          ),
        }) as KubeObject,
    );
}

function bindingObject(facts: BindingFacts): KubeObject {
  const { roleRef, subjects } = facts;
  return { metadata: metadataOf(facts), roleRef, subjects: subjects ?? [] } as KubeObject;
}

function priorityClass({ name, value, preemptionPolicy }: RbacFacts["priorityclasses"][number]): KubeObject {
  const description =
    name === "system-node-critical"
      ? "Used for system critical pods that must not be moved from their current node."
      : "Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.";
  return { metadata: { name }, value, preemptionPolicy, globalDefault: false, description } as KubeObject;
}
