// Writes the roles and priority classes that every cluster starts with: those of Kubernetes 1.20, brought up to 1.36.
import { readFileSync } from "node:fs";

interface Rule {
  verbs: string[];
  apiGroups?: string[];
  resources?: string[];
  resourceNames?: string[];
  nonResourceURLs?: string[];
}
interface Named {
  name: string;
  namespace?: string;
  labels?: Record<string, string>;
}
interface RoleFacts extends Named {
  rules: Rule[] | null;
  aggregationRule?: object;
}
interface Facts {
  clusterroles: RoleFacts[];
  clusterrolebindings: (Named & { roleRef: object; subjects?: object[] })[];
  roles: RoleFacts[];
  rolebindings: (Named & { roleRef: object; subjects?: object[] })[];
  priorityclasses: (Named & { value: number; preemptionPolicy: string })[];
}

const READ = ["get", "list", "watch"];
const LABELS = { "kubernetes.io/bootstrapping": "rbac-defaults" };
const EVENTS: Rule = { verbs: ["create", "patch", "update"], apiGroups: ["", "events.k8s.io"], resources: ["events"] };
const rule = (apiGroup: string, resources: string[], verbs: string[]): Rule => ({
  verbs,
  apiGroups: [apiGroup],
  resources,
});

/** What releases after 1.20 added to roles that were there already. */
const ADDED_RULES: Readonly<Record<string, Rule[]>> = {
  "system:kube-scheduler": [
    rule("", ["pods/status"], ["patch", "update"]),
    rule("", ["namespaces"], READ),
    rule("storage.k8s.io", ["csidrivers", "csinodes", "csistoragecapacities", "volumeattachments"], READ),
    rule("resource.k8s.io", ["deviceclasses", "resourceslices"], READ),
    rule("resource.k8s.io", ["resourceclaims"], [...READ, "patch", "update"]),
    rule("resource.k8s.io", ["resourceclaims/status"], ["patch", "update"]),
    rule("policy", ["poddisruptionbudgets"], READ),
    rule("coordination.k8s.io", ["leases"], ["create", "get", "list", "update", "watch"]),
    EVENTS,
  ],
  "system:kube-controller-manager": [EVENTS, rule("coordination.k8s.io", ["leases"], ["create", "get", "update"])],
  "system:node": [
    rule("", ["pods/ephemeralcontainers", "pods/resize"], ["get"]),
    rule("node.k8s.io", ["runtimeclasses"], READ),
    rule("resource.k8s.io", ["resourceclaims"], ["get"]),
    rule(
      "resource.k8s.io",
      ["resourceslices"],
      ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"],
    ),
    rule("storage.k8s.io", ["csidrivers"], READ),
    rule("discovery.k8s.io", ["endpointslices"], READ),
    EVENTS,
  ],
  "system:node-proxier": [
    rule("networking.k8s.io", ["servicecidrs"], READ),
    rule("discovery.k8s.io", ["endpointslices"], READ),
  ],
  "system:kube-dns": [rule("discovery.k8s.io", ["endpointslices"], READ)],
  "system:monitoring": [{ verbs: ["get"], nonResourceURLs: ["/metrics/slis"] }],
  "system:basic-user": [rule("authentication.k8s.io", ["selfsubjectreviews"], ["create"])],
  "system:aggregate-to-view": [
    rule("discovery.k8s.io", ["endpointslices"], READ),
    rule("resource.k8s.io", ["resourceclaims", "resourceclaimtemplates", "resourceclaims/status"], READ),
  ],
  "system:aggregate-to-edit": [
    rule("", ["events"], ["create", "patch", "update"]),
    rule("events.k8s.io", ["events"], ["create", "patch", "update"]),
    rule(
      "coordination.k8s.io",
      ["leases"],
      ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"],
    ),
    rule(
      "resource.k8s.io",
      ["resourceclaims", "resourceclaimtemplates"],
      ["create", "delete", "deletecollection", "patch", "update"],
    ),
  ],
  "system:aggregate-to-admin": [rule("authorization.k8s.io", ["localsubjectaccessreviews"], ["create"])],
  "system:controller:cronjob-controller": [rule("batch", ["jobs/status"], ["update"])],
  "system:controller:job-controller": [
    rule("", ["pods"], ["patch", "update"]),
    rule("batch", ["jobs"], ["patch", "update"]),
  ],
  "system:controller:endpoint-controller": [rule("", ["endpoints"], ["patch"])],
  "system:controller:statefulset-controller": [
    rule("", ["persistentvolumeclaims"], ["delete", "update", "watch", "list"]),
  ],
  "system:controller:replicaset-controller": [rule("", ["pods"], ["update"])],
  "system:controller:namespace-controller": [rule("", ["namespaces"], ["update", "patch"])],
};

/** Rights that a later release took back: 1.22 let editors write no endpoints any more (CVE-2021-25740). */
const TAKEN_BACK: Readonly<Record<string, readonly string[]>> = { "system:aggregate-to-edit": ["endpoints"] };

/** Controllers that came after 1.20, with what they may do; each runs as a service account of kube-system. */
const ADDED_CONTROLLERS: Readonly<Record<string, Rule[]>> = {
  "ttl-after-finished-controller": [rule("batch", ["jobs"], ["delete", ...READ]), EVENTS],
  "ephemeral-volume-controller": [
    rule("", ["pods"], READ),
    rule("", ["pods/finalizers"], ["update"]),
    rule("", ["persistentvolumeclaims"], ["create", ...READ]),
    EVENTS,
  ],
  "legacy-service-account-token-cleaner": [
    rule("", ["secrets"], ["delete", "patch"]),
    rule("", ["configmaps"], ["get"]),
  ],
  "service-cidrs-controller": [
    rule("networking.k8s.io", ["ipaddresses"], READ),
    rule("networking.k8s.io", ["servicecidrs"], [...READ, "patch", "update"]),
    rule("networking.k8s.io", ["servicecidrs/finalizers", "servicecidrs/status"], ["patch", "update"]),
    EVENTS,
  ],
  "resource-claim-controller": [
    rule("resource.k8s.io", ["resourceclaims"], ["create", "delete", "patch", "update", ...READ]),
    rule("resource.k8s.io", ["resourceclaims/status"], ["patch", "update"]),
    rule("", ["pods", "pods/status"], [...READ, "patch"]),
    EVENTS,
  ],
  "taint-eviction-controller": [
    rule("", ["pods"], ["delete", ...READ]),
    rule("", ["pods/status"], ["patch", "update"]),
    rule("", ["nodes"], READ),
    EVENTS,
  ],
  "storage-version-migrator-controller": [rule("", ["events"], ["create"])],
  "validatingadmissionpolicy-status-controller": [
    rule("admissionregistration.k8s.io", ["validatingadmissionpolicies"], READ),
    rule("admissionregistration.k8s.io", ["validatingadmissionpolicies/status"], ["get", "patch", "update"]),
  ],
};

/** The generated TypeScript module. */
export function bootstrapRbac(): string {
  const file = new URL("../data/kubernetes-1.20-bootstrap-rbac.json", import.meta.url);
  const facts = JSON.parse(readFileSync(file, "utf8")) as Facts;
  const added = Object.entries(ADDED_CONTROLLERS);
  const clusterroles = [
    ...facts.clusterroles.map((role) => ({ ...role, rules: withAdded(role) })),
    ...added.map(([name, rules]) => ({ name: `system:controller:${name}`, labels: LABELS, rules })),
  ];
  const clusterrolebindings = [
    ...facts.clusterrolebindings.map((binding) =>
      binding.name === "system:node" ? { ...binding, subjects: [NODES] } : binding,
    ),
    ...added.map(([name]) => controllerBinding(name)),
  ];
  const text = JSON.stringify({ ...facts, clusterroles, clusterrolebindings });
  return [
    "// Generated by scripts/generate-bootstrap-rbac.ts from data/kubernetes-1.20-bootstrap-rbac.json. Do not edit.",
    `export const BOOTSTRAP_RBAC_JSON = ${JSON.stringify(text)};`,
    "",
  ].join("\n");
}

/** Nodes get their rights by their group; the NodeRestriction admission keeps each to its own objects. */
const NODES = { kind: "Group", apiGroup: "rbac.authorization.k8s.io", name: "system:nodes" };

function withAdded({ name, rules }: RoleFacts): Rule[] | null {
  const gone = TAKEN_BACK[name] ?? [];
  const kept = rules?.map((one) => withoutWriting(one, gone)) ?? null;
  const more = ADDED_RULES[name];
  return more ? [...(kept ?? []), ...more] : kept;
}

function withoutWriting(one: Rule, gone: readonly string[]): Rule {
  const writes = one.verbs.some((verb) => !READ.includes(verb));
  return writes && one.resources && gone.length > 0
    ? { ...one, resources: one.resources.filter((resource) => !gone.includes(resource)) }
    : one;
}

function controllerBinding(name: string) {
  const role = `system:controller:${name}`;
  return {
    name: role,
    labels: LABELS,
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: role },
    subjects: [{ kind: "ServiceAccount", name, namespace: "kube-system" }],
  };
}
