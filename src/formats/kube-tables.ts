// The tables that `kubectl get` shows: columns and cells of every built-in kind
// (k8s.io/kubernetes/pkg/printers/internalversion) and of custom resources.
import type { KubeObject } from "./kube-object.ts";
import { compileJsonPath, type JsonPath } from "./jsonpath.ts";
import { columns, since, type Cell, type KubeTable, type TableColumn } from "./kube-tables/cells.ts";
import * as core from "./kube-tables/core.ts";
import * as loose from "./kube-tables/loose.ts";
import * as others from "./kube-tables/others.ts";
import { pods, podTemplates } from "./kube-tables/pods.ts";
import * as workloads from "./kube-tables/workloads.ts";

export type { Cell, KubeTable, TableColumn } from "./kube-tables/cells.ts";
export { humanDuration } from "./kube-tables/cells.ts";
export { podState, type PodState } from "./kube-tables/pods.ts";

/** By `group/Kind`, with the version where versions differ. */
const TABLES: Readonly<Record<string, KubeTable>> = {
  "/Pod": pods,
  "/PodTemplate": podTemplates,
  "/ReplicationController": workloads.replicationControllers,
  "/Node": core.nodes,
  "/Namespace": core.namespaces,
  "/Service": core.services,
  "/Endpoints": core.endpoints,
  "/Event": core.events,
  "events.k8s.io/Event": core.eventsV1,
  "/ConfigMap": core.configMaps,
  "/Secret": core.secrets,
  "/ServiceAccount": core.serviceAccounts,
  "/PersistentVolume": core.persistentVolumes,
  "/PersistentVolumeClaim": core.persistentVolumeClaims,
  "/ResourceQuota": core.resourceQuotas,
  "apps/Deployment": workloads.deployments,
  "apps/ReplicaSet": workloads.replicaSets,
  "apps/DaemonSet": workloads.daemonSets,
  "apps/StatefulSet": workloads.statefulSets,
  "apps/ControllerRevision": workloads.controllerRevisions,
  "batch/Job": workloads.jobs,
  "batch/CronJob": workloads.cronJobs,
  "autoscaling/v1/HorizontalPodAutoscaler": workloads.autoscalersV1,
  "autoscaling/HorizontalPodAutoscaler": workloads.autoscalers,
  "autoscaling/Scale": workloads.scales,
  "policy/PodDisruptionBudget": workloads.disruptionBudgets,
  "discovery.k8s.io/EndpointSlice": core.endpointSlices,
  "networking.k8s.io/Ingress": others.ingresses,
  "networking.k8s.io/IngressClass": others.ingressClasses,
  "networking.k8s.io/NetworkPolicy": others.networkPolicies,
  "networking.k8s.io/IPAddress": others.ipAddresses,
  "networking.k8s.io/ServiceCIDR": others.serviceCidrs,
  "rbac.authorization.k8s.io/Role": others.roles,
  "rbac.authorization.k8s.io/ClusterRole": others.roles,
  "rbac.authorization.k8s.io/RoleBinding": others.roleBindings,
  "rbac.authorization.k8s.io/ClusterRoleBinding": others.roleBindings,
  "certificates.k8s.io/CertificateSigningRequest": others.signingRequests,
  "coordination.k8s.io/Lease": others.leases,
  "storage.k8s.io/StorageClass": others.storageClasses,
  "storage.k8s.io/VolumeAttributesClass": others.volumeAttributesClasses,
  "storage.k8s.io/VolumeAttachment": others.volumeAttachments,
  "storage.k8s.io/CSINode": others.csiNodes,
  "storage.k8s.io/CSIDriver": others.csiDrivers,
  "storage.k8s.io/CSIStorageCapacity": others.csiStorageCapacities,
  "scheduling.k8s.io/PriorityClass": others.priorityClasses,
  "node.k8s.io/RuntimeClass": others.runtimeClasses,
  "admissionregistration.k8s.io/MutatingWebhookConfiguration": others.webhookConfigurations,
  "admissionregistration.k8s.io/ValidatingWebhookConfiguration": others.webhookConfigurations,
  "admissionregistration.k8s.io/ValidatingAdmissionPolicy": others.validatingPolicies,
  "admissionregistration.k8s.io/MutatingAdmissionPolicy": others.mutatingPolicies,
  "admissionregistration.k8s.io/ValidatingAdmissionPolicyBinding": others.policyBindings,
  "admissionregistration.k8s.io/MutatingAdmissionPolicyBinding": others.policyBindings,
  "apiregistration.k8s.io/APIService": loose.apiServices,
  "flowcontrol.apiserver.k8s.io/FlowSchema": loose.flowSchemas,
  "flowcontrol.apiserver.k8s.io/PriorityLevelConfiguration": loose.priorityLevels,
  "resource.k8s.io/ResourceClaim": loose.resourceClaims,
  "resource.k8s.io/ResourceSlice": loose.resourceSlices,
  "resource.k8s.io/ResourceClaimTemplate": others.namedOnly,
  "resource.k8s.io/DeviceClass": others.namedOnly,
};

/** A table whose cells take any object; give it objects of its kind. */
export interface AnyTable {
  readonly columns: readonly TableColumn[];
  cells(object: KubeObject, now: number): Cell[];
  conditions?(object: KubeObject): { type: string; status: string; reason: string; message: string }[];
}

/** The table of a built-in kind; name and creation time for kinds without columns of their own. */
export function tableOf({ group, version, kind }: { group: string; version: string; kind: string }): AnyTable {
  const exact = `${group}/${version}/${kind}`;
  const general = `${group}/${kind}`;
  const key = Object.hasOwn(TABLES, exact) ? exact : general;
  return (Object.hasOwn(TABLES, key) ? TABLES[key] : others.plain) as unknown as AnyTable;
}

/** A column of a custom resource definition (`additionalPrinterColumns`). */
export interface PrinterColumn {
  readonly name: string;
  readonly type: string;
  readonly format?: string;
  readonly description?: string;
  readonly priority?: number;
  readonly jsonPath: string;
}

/** The table of a custom resource: its name, then its columns; its age when it defines none. Throws `invalid` for a bad path. */
export function customTable(definitions: readonly PrinterColumn[] | undefined): AnyTable {
  const given: readonly PrinterColumn[] = definitions?.length
    ? definitions
    : [{ name: "Age", type: "date", jsonPath: ".metadata.creationTimestamp" }];
  const paths = given.map(({ jsonPath }) => compileJsonPath(`{${jsonPath}}`));
  const own = given.map(({ name, type, format = "", description = "", priority = 0 }): TableColumn => ({
    name,
    type: columnType(type),
    format,
    description,
    priority,
  }));
  return {
    columns: [...columns("Name"), ...own],
    cells: (object, now) => [
      object.metadata.name ?? "",
      ...given.map(({ type }, index) => customCell(type, paths[index], object, now)),
    ],
  };
}

/** Dates are shown as ages, so their column holds text. */
function columnType(type: string): TableColumn["type"] {
  return type === "integer" || type === "number" || type === "boolean" || type === "date" ? type : "string";
}

/** tableconvertor cellForJSONValue: a value of another type than the column's is no cell. */
function customCell(type: string, path: JsonPath | undefined, object: KubeObject, now: number): Cell {
  const value = path?.find(object)[0];
  if (value === undefined || value === null) return null;
  switch (type) {
    case "date":
      return typeof value === "string"
        ? Number.isNaN(Date.parse(value))
          ? "<invalid>"
          : since(value, now)
        : "<invalid>";
    case "integer":
      return typeof value === "number" ? Math.trunc(value) : null;
    case "number":
      return typeof value === "number" ? value : null;
    case "boolean":
      return typeof value === "boolean" ? value : null;
    default:
      return typeof value === "object"
        ? (path?.print(object) ?? "")
        : typeof value === "string"
          ? value
          : JSON.stringify(value);
  }
}
