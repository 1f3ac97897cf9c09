// The stable resources of Kubernetes 1.36 (discovery of a kube-apiserver, and k8s.io/api for what is newer).
import { convertedEvent, storedEvent } from "./convert-event.ts";
import { autoscalerFromV1, autoscalerToV1 } from "./convert-autoscaler.ts";
import type { Conversion, ResourceDefinition, SubresourceDefinition, Verb } from "./definition.ts";

const ALL_VERBS: readonly Verb[] = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
const REWRITE: readonly Verb[] = ["get", "patch", "update"];
const CONNECT: readonly Verb[] = ["create", "get"];
const PROXY: readonly Verb[] = ["create", "delete", "get", "patch", "update"];

interface Extras {
  readonly short?: readonly string[];
  readonly categories?: readonly string[];
  readonly verbs?: readonly Verb[];
  readonly sub?: readonly SubresourceDefinition[];
  readonly generation?: boolean;
  readonly ttlMs?: number;
}

type Row = readonly [resource: string, kind: string, scope: "Namespaced" | "Cluster", extras?: Extras];

const HOUR_MS = 3_600_000;
const status = (kind: string): SubresourceDefinition => ({ name: "status", kind, verbs: REWRITE });
const scale: SubresourceDefinition = {
  name: "scale",
  group: "autoscaling",
  version: "v1",
  kind: "Scale",
  verbs: REWRITE,
};
const sub = (name: string, kind: string, verbs: readonly Verb[]): SubresourceDefinition => ({ name, kind, verbs });
const ALL = ["all"];
const CREATE_ONLY: Extras = { verbs: ["create"] };

const POD_SUBRESOURCES: readonly SubresourceDefinition[] = [
  sub("attach", "PodAttachOptions", CONNECT),
  sub("binding", "Binding", ["create"]),
  sub("ephemeralcontainers", "Pod", REWRITE),
  { name: "eviction", group: "policy", version: "v1", kind: "Eviction", verbs: ["create"] },
  sub("exec", "PodExecOptions", CONNECT),
  sub("log", "Pod", ["get"]),
  sub("portforward", "PodPortForwardOptions", CONNECT),
  sub("proxy", "PodProxyOptions", PROXY),
  sub("resize", "Pod", REWRITE),
  // Gantry's own.
  { name: "scheduling", group: "gantry.dev", version: "v1", kind: "PodScheduling", verbs: ["get"] },
  status("Pod"),
];

const CORE: readonly Row[] = [
  ["bindings", "Binding", "Namespaced", CREATE_ONLY],
  ["configmaps", "ConfigMap", "Namespaced", { short: ["cm"] }],
  ["endpoints", "Endpoints", "Namespaced", { short: ["ep"] }],
  ["events", "Event", "Namespaced", { short: ["ev"], ttlMs: HOUR_MS }],
  ["limitranges", "LimitRange", "Namespaced", { short: ["limits"] }],
  [
    "namespaces",
    "Namespace",
    "Cluster",
    { short: ["ns"], sub: [sub("finalize", "Namespace", ["update"]), status("Namespace")] },
  ],
  ["nodes", "Node", "Cluster", { short: ["no"], sub: [sub("proxy", "NodeProxyOptions", PROXY), status("Node")] }],
  [
    "persistentvolumeclaims",
    "PersistentVolumeClaim",
    "Namespaced",
    { short: ["pvc"], sub: [status("PersistentVolumeClaim")] },
  ],
  ["persistentvolumes", "PersistentVolume", "Cluster", { short: ["pv"], sub: [status("PersistentVolume")] }],
  ["pods", "Pod", "Namespaced", { short: ["po"], categories: ALL, sub: POD_SUBRESOURCES, generation: true }],
  ["podtemplates", "PodTemplate", "Namespaced", { generation: true }],
  [
    "replicationcontrollers",
    "ReplicationController",
    "Namespaced",
    { short: ["rc"], categories: ALL, sub: [scale, status("ReplicationController")], generation: true },
  ],
  ["resourcequotas", "ResourceQuota", "Namespaced", { short: ["quota"], sub: [status("ResourceQuota")] }],
  ["secrets", "Secret", "Namespaced"],
  [
    "serviceaccounts",
    "ServiceAccount",
    "Namespaced",
    {
      short: ["sa"],
      sub: [{ name: "token", group: "authentication.k8s.io", version: "v1", kind: "TokenRequest", verbs: ["create"] }],
    },
  ],
  [
    "services",
    "Service",
    "Namespaced",
    { short: ["svc"], categories: ALL, sub: [sub("proxy", "ServiceProxyOptions", PROXY), status("Service")] },
  ],
];

const GROUPS: Readonly<Record<string, readonly Row[]>> = {
  v1: CORE,
  "admissionregistration.k8s.io/v1": [
    [
      "mutatingadmissionpolicies",
      "MutatingAdmissionPolicy",
      "Cluster",
      { categories: ["api-extensions"], generation: true },
    ],
    [
      "mutatingadmissionpolicybindings",
      "MutatingAdmissionPolicyBinding",
      "Cluster",
      { categories: ["api-extensions"], generation: true },
    ],
    [
      "mutatingwebhookconfigurations",
      "MutatingWebhookConfiguration",
      "Cluster",
      { categories: ["api-extensions"], generation: true },
    ],
    [
      "validatingadmissionpolicies",
      "ValidatingAdmissionPolicy",
      "Cluster",
      { categories: ["api-extensions"], sub: [status("ValidatingAdmissionPolicy")], generation: true },
    ],
    [
      "validatingadmissionpolicybindings",
      "ValidatingAdmissionPolicyBinding",
      "Cluster",
      { categories: ["api-extensions"], generation: true },
    ],
    [
      "validatingwebhookconfigurations",
      "ValidatingWebhookConfiguration",
      "Cluster",
      { categories: ["api-extensions"], generation: true },
    ],
  ],
  "apiextensions.k8s.io/v1": [
    [
      "customresourcedefinitions",
      "CustomResourceDefinition",
      "Cluster",
      {
        short: ["crd", "crds"],
        categories: ["api-extensions"],
        sub: [status("CustomResourceDefinition")],
        generation: true,
      },
    ],
  ],
  "apiregistration.k8s.io/v1": [
    ["apiservices", "APIService", "Cluster", { categories: ["api-extensions"], sub: [status("APIService")] }],
  ],
  "apps/v1": [
    ["controllerrevisions", "ControllerRevision", "Namespaced"],
    [
      "daemonsets",
      "DaemonSet",
      "Namespaced",
      { short: ["ds"], categories: ALL, sub: [status("DaemonSet")], generation: true },
    ],
    [
      "deployments",
      "Deployment",
      "Namespaced",
      { short: ["deploy"], categories: ALL, sub: [scale, status("Deployment")], generation: true },
    ],
    [
      "replicasets",
      "ReplicaSet",
      "Namespaced",
      { short: ["rs"], categories: ALL, sub: [scale, status("ReplicaSet")], generation: true },
    ],
    [
      "statefulsets",
      "StatefulSet",
      "Namespaced",
      { short: ["sts"], categories: ALL, sub: [scale, status("StatefulSet")], generation: true },
    ],
  ],
  "authentication.k8s.io/v1": [
    ["selfsubjectreviews", "SelfSubjectReview", "Cluster", CREATE_ONLY],
    ["tokenreviews", "TokenReview", "Cluster", CREATE_ONLY],
  ],
  "authorization.k8s.io/v1": [
    ["localsubjectaccessreviews", "LocalSubjectAccessReview", "Namespaced", CREATE_ONLY],
    ["selfsubjectaccessreviews", "SelfSubjectAccessReview", "Cluster", CREATE_ONLY],
    ["selfsubjectrulesreviews", "SelfSubjectRulesReview", "Cluster", CREATE_ONLY],
    ["subjectaccessreviews", "SubjectAccessReview", "Cluster", CREATE_ONLY],
  ],
  "autoscaling/v2": [
    [
      "horizontalpodautoscalers",
      "HorizontalPodAutoscaler",
      "Namespaced",
      { short: ["hpa"], categories: ALL, sub: [status("HorizontalPodAutoscaler")] },
    ],
  ],
  "autoscaling/v1": [
    [
      "horizontalpodautoscalers",
      "HorizontalPodAutoscaler",
      "Namespaced",
      { short: ["hpa"], categories: ALL, sub: [status("HorizontalPodAutoscaler")] },
    ],
  ],
  "batch/v1": [
    [
      "cronjobs",
      "CronJob",
      "Namespaced",
      { short: ["cj"], categories: ALL, sub: [status("CronJob")], generation: true },
    ],
    ["jobs", "Job", "Namespaced", { categories: ALL, sub: [status("Job")], generation: true }],
  ],
  "certificates.k8s.io/v1": [
    [
      "certificatesigningrequests",
      "CertificateSigningRequest",
      "Cluster",
      {
        short: ["csr"],
        sub: [sub("approval", "CertificateSigningRequest", REWRITE), status("CertificateSigningRequest")],
      },
    ],
  ],
  "coordination.k8s.io/v1": [["leases", "Lease", "Namespaced", { ttlMs: Infinity }]],
  "discovery.k8s.io/v1": [["endpointslices", "EndpointSlice", "Namespaced", { generation: true }]],
  "events.k8s.io/v1": [["events", "Event", "Namespaced", { short: ["ev"], ttlMs: HOUR_MS }]],
  "flowcontrol.apiserver.k8s.io/v1": [
    ["flowschemas", "FlowSchema", "Cluster", { sub: [status("FlowSchema")], generation: true }],
    [
      "prioritylevelconfigurations",
      "PriorityLevelConfiguration",
      "Cluster",
      { sub: [status("PriorityLevelConfiguration")], generation: true },
    ],
  ],
  "networking.k8s.io/v1": [
    ["ingressclasses", "IngressClass", "Cluster", { generation: true }],
    ["ingresses", "Ingress", "Namespaced", { short: ["ing"], sub: [status("Ingress")], generation: true }],
    ["ipaddresses", "IPAddress", "Cluster", { short: ["ip"] }],
    ["networkpolicies", "NetworkPolicy", "Namespaced", { short: ["netpol"], generation: true }],
    ["servicecidrs", "ServiceCIDR", "Cluster", { sub: [status("ServiceCIDR")] }],
  ],
  "node.k8s.io/v1": [["runtimeclasses", "RuntimeClass", "Cluster"]],
  "policy/v1": [
    [
      "poddisruptionbudgets",
      "PodDisruptionBudget",
      "Namespaced",
      { short: ["pdb"], sub: [status("PodDisruptionBudget")], generation: true },
    ],
  ],
  "rbac.authorization.k8s.io/v1": [
    ["clusterrolebindings", "ClusterRoleBinding", "Cluster"],
    ["clusterroles", "ClusterRole", "Cluster"],
    ["rolebindings", "RoleBinding", "Namespaced"],
    ["roles", "Role", "Namespaced"],
  ],
  "resource.k8s.io/v1": [
    ["deviceclasses", "DeviceClass", "Cluster", { generation: true }],
    ["resourceclaims", "ResourceClaim", "Namespaced", { sub: [status("ResourceClaim")] }],
    ["resourceclaimtemplates", "ResourceClaimTemplate", "Namespaced"],
    ["resourceslices", "ResourceSlice", "Cluster", { generation: true }],
  ],
  "scheduling.k8s.io/v1": [["priorityclasses", "PriorityClass", "Cluster", { short: ["pc"], generation: true }]],
  "storage.k8s.io/v1": [
    ["csidrivers", "CSIDriver", "Cluster"],
    ["csinodes", "CSINode", "Cluster"],
    ["csistoragecapacities", "CSIStorageCapacity", "Namespaced"],
    ["storageclasses", "StorageClass", "Cluster", { short: ["sc"] }],
    ["volumeattachments", "VolumeAttachment", "Cluster", { sub: [status("VolumeAttachment")] }],
    ["volumeattributesclasses", "VolumeAttributesClass", "Cluster", { short: ["vac"] }],
  ],
};

/** Served versions that are not the stored one: what is stored, and how to get there and back. */
const CONVERTED: Readonly<Record<string, readonly [stored: string, conversion: Conversion]>> = {
  "events.k8s.io/v1 events": ["v1 events", { toStored: storedEvent, fromStored: convertedEvent }],
  "autoscaling/v1 horizontalpodautoscalers": [
    "autoscaling/v2 horizontalpodautoscalers",
    { toStored: autoscalerFromV1, fromStored: autoscalerToV1 },
  ],
};

/** Every built-in resource, stored versions before those converted to them. */
export function builtInResources(): ResourceDefinition[] {
  const made = new Map<string, ResourceDefinition>();
  for (const [groupVersion, rows] of Object.entries(GROUPS)) {
    for (const row of rows) made.set(`${groupVersion} ${row[0]}`, define(groupVersion, row));
  }
  for (const [served, [stored, conversion]] of Object.entries(CONVERTED)) {
    const definition = made.get(stored);
    const own = made.get(served);
    if (definition && own) made.set(served, { ...own, stored: { definition, conversion } });
  }
  return Array.from(made.values());
}

function define(groupVersion: string, [resource, kind, scope, extras = {}]: Row): ResourceDefinition {
  const slash = groupVersion.indexOf("/");
  return {
    group: slash < 0 ? "" : groupVersion.slice(0, slash),
    version: groupVersion.slice(slash + 1),
    resource,
    kind,
    namespaced: scope === "Namespaced",
    singular: kind.toLowerCase(),
    shortNames: extras.short ?? [],
    categories: extras.categories ?? [],
    verbs: extras.verbs ?? ALL_VERBS,
    subresources: new Map((extras.sub ?? []).map((one) => [one.name, one])),
    prefix: `/registry/${resource}/`,
    generation: extras.generation ?? false,
    ...(extras.ttlMs === undefined ? {} : { ttlMs: extras.ttlMs }),
  };
}
