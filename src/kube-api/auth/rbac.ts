// Role-based access control (k8s.io/kubernetes plugin/pkg/auth/authorizer/rbac) over an index that follows the store.
import type { KubeObject } from "#formats/kube-object.ts";
import { matchesSelector, selectorOf } from "#formats/selectors.ts";
import type {
  ClusterRole,
  ClusterRoleBinding,
  PolicyRule,
  Role,
  RoleBinding,
  RoleRef,
  Subject,
} from "#formats/kube-types.generated.ts";
import type { Store, StoreEvent } from "#store/store.ts";
import type { User } from "../context.ts";
import { documentOf } from "../registry/document.ts";
import type { Access, Authorizer, Decision } from "./authorizer.ts";

/** The rules that hold for a user: everywhere, and in single namespaces. */
export interface UserRules {
  readonly everywhere: readonly PolicyRule[];
  readonly byNamespace: ReadonlyMap<string, readonly PolicyRule[]>;
}

export interface Rbac extends Authorizer {
  rulesOf(user: User): UserRules;
  /** The rules of a role that a binding in `namespace` refers to; undefined when there is no such role. */
  rulesOfRole(ref: RoleRef, namespace: string): readonly PolicyRule[] | undefined;
  /** Reads what there is and follows changes from then on. */
  start(store: Store): Promise<void>;
  close(): void;
}

const PREFIX = "/registry/";
const KINDS = ["clusterroles", "clusterrolebindings", "roles", "rolebindings"] as const;
type Kind = (typeof KINDS)[number];

const ALLOWED: Decision = { allowed: true, reason: "" };
const DENIED: Decision = { allowed: false, reason: "" };
/** Users whose resolved rules are remembered until the next change of any role or binding; then all are forgotten. */
const MAX_CACHED_USERS = 1000;

export function rbacAuthorizer(): Rbac {
  const index = roleIndex();
  const cache = new Map<string, UserRules>();
  let watches: { close(): void }[] = [];
  const rulesOf = (user: User): UserRules => {
    const key = JSON.stringify([user.name, user.groups]);
    const known = cache.get(key);
    if (known) return known;
    if (cache.size >= MAX_CACHED_USERS) cache.clear();
    const rules = index.resolve(user);
    cache.set(key, rules);
    return rules;
  };
  const follow = (kind: Kind, events: readonly StoreEvent[]): void => {
    cache.clear();
    const prefix = prefixOf(kind);
    for (const { key, current } of events)
      index.set(kind, key.slice(prefix.length), current && documentOf(current).object);
  };

  return {
    rulesOf,
    rulesOfRole: index.rulesOfRole,
    authorize(user, access) {
      const { everywhere, byNamespace } = rulesOf(user);
      if (everywhere.some((rule) => allows(rule, access))) return ALLOWED;
      if ("path" in access || access.namespace === "") return DENIED;
      return (byNamespace.get(access.namespace) ?? []).some((rule) => allows(rule, access)) ? ALLOWED : DENIED;
    },
    async start(store) {
      for (const kind of KINDS) {
        const prefix = prefixOf(kind);
        const { items, revision } = await store.range(prefix);
        for (const entry of items) index.set(kind, entry.key.slice(prefix.length), documentOf(entry).object);
        watches.push(store.watch(prefix, revision, (events) => follow(kind, events)));
      }
    },
    close() {
      for (const watch of watches) watch.close();
      watches = [];
    },
  };
}

function prefixOf(kind: Kind): string {
  return `${PREFIX}${kind}/`;
}

/** Roles and bindings as they are now, by `name` or `namespace/name`. */
function roleIndex() {
  const objects: Readonly<Record<Kind, Map<string, KubeObject>>> = {
    clusterroles: new Map(),
    clusterrolebindings: new Map(),
    roles: new Map(),
    rolebindings: new Map(),
  };
  const clusterRules = (name: string): readonly PolicyRule[] | undefined => {
    const role = objects.clusterroles.get(name) as ClusterRole | undefined;
    if (!role?.aggregationRule) return role?.rules ?? (role ? [] : undefined);
    return aggregated(role, objects.clusterroles.values());
  };
  const rulesOfRole = (ref: RoleRef, namespace: string): readonly PolicyRule[] | undefined => {
    if (ref.kind === "ClusterRole") return clusterRules(ref.name);
    const role = objects.roles.get(`${namespace}/${ref.name}`) as Role | undefined;
    return role ? (role.rules ?? []) : undefined;
  };
  return {
    rulesOfRole,
    /** Puts an object, or with undefined takes it out. */
    set(kind: Kind, name: string, object: KubeObject | undefined): void {
      if (object) objects[kind].set(name, object);
      else objects[kind].delete(name);
    },
    resolve(user: User): UserRules {
      const everywhere: PolicyRule[] = [];
      const byNamespace = new Map<string, PolicyRule[]>();
      for (const binding of objects.clusterrolebindings.values() as Iterable<ClusterRoleBinding>) {
        if (applies(binding.subjects, user, "")) everywhere.push(...(rulesOfRole(binding.roleRef, "") ?? []));
      }
      for (const binding of objects.rolebindings.values() as Iterable<RoleBinding & KubeObject>) {
        const { namespace = "" } = binding.metadata;
        if (!applies(binding.subjects, user, namespace)) continue;
        const rules = byNamespace.get(namespace) ?? [];
        byNamespace.set(namespace, rules.concat(rulesOfRole(binding.roleRef, namespace) ?? []));
      }
      return { everywhere, byNamespace };
    },
  };
}

/** The rules of every cluster role that the aggregation selects. */
export function aggregated(role: ClusterRole, roles: Iterable<KubeObject>): PolicyRule[] {
  const selectors = (role.aggregationRule?.clusterRoleSelectors ?? []).map(selectorOf);
  const rules: PolicyRule[] = [];
  for (const other of roles) {
    if (other.metadata.name === (role as KubeObject).metadata.name) continue;
    if (selectors.some((selector) => matchesSelector(selector, other.metadata.labels)))
      rules.push(...((other as ClusterRole).rules ?? []));
  }
  return rules;
}

function applies(subjects: readonly Subject[] = [], user: User, namespace: string): boolean {
  return subjects.some((subject) => {
    switch (subject.kind) {
      case "User":
        return subject.name === user.name;
      case "Group":
        return user.groups.includes(subject.name);
      case "ServiceAccount":
        return user.name === `system:serviceaccount:${subject.namespace ?? namespace}:${subject.name}`;
      default:
        return false;
    }
  });
}

/** Whether one rule allows one access. */
export function allows(rule: PolicyRule, access: Access): boolean {
  if (!has(rule.verbs, access.verb)) return false;
  if ("path" in access) return (rule.nonResourceURLs ?? []).some((pattern) => matchesPath(pattern, access.path));
  if (!has(rule.apiGroups ?? [], access.group)) return false;
  if (!matchesResource(rule.resources ?? [], access.resource, access.subresource)) return false;
  const names = rule.resourceNames ?? [];
  return names.length === 0 || names.includes(access.name);
}

function has(list: readonly string[], wanted: string): boolean {
  return list.includes(wanted) || list.includes("*");
}

function matchesResource(resources: readonly string[], resource: string, subresource: string): boolean {
  const full = subresource === "" ? resource : `${resource}/${subresource}`;
  return has(resources, full) || (subresource !== "" && resources.includes(`*/${subresource}`));
}

function matchesPath(pattern: string, path: string): boolean {
  return pattern === "*" || pattern === path || (pattern.endsWith("*") && path.startsWith(pattern.slice(0, -1)));
}
