import type { KubeObject, Typed } from "./kube-object.ts";
import type * as k from "./kube-types.generated.ts";

function define<T extends KubeObject>(
  groupVersion: string,
  resource: string,
  kind: string,
  namespaced = true,
): Typed<T> {
  const slash = groupVersion.indexOf("/");
  const [group, version] =
    slash < 0 ? ["", groupVersion] : [groupVersion.slice(0, slash), groupVersion.slice(slash + 1)];
  return { group, version, resource, kind, namespaced };
}

/** The resources that Gantry's own components use, typed. */
export const RESOURCES = {
  pods: define<k.Pod>("v1", "pods", "Pod"),
  nodes: define<k.Node>("v1", "nodes", "Node", false),
  namespaces: define<k.Namespace>("v1", "namespaces", "Namespace", false),
  services: define<k.Service>("v1", "services", "Service"),
  endpoints: define<k.Endpoints>("v1", "endpoints", "Endpoints"),
  configmaps: define<k.ConfigMap>("v1", "configmaps", "ConfigMap"),
  secrets: define<k.Secret>("v1", "secrets", "Secret"),
  serviceaccounts: define<k.ServiceAccount>("v1", "serviceaccounts", "ServiceAccount"),
  events: define<k.Event>("v1", "events", "Event"),
  limitranges: define<k.LimitRange>("v1", "limitranges", "LimitRange"),
  resourcequotas: define<k.ResourceQuota>("v1", "resourcequotas", "ResourceQuota"),
  persistentvolumes: define<k.PersistentVolume>("v1", "persistentvolumes", "PersistentVolume", false),
  persistentvolumeclaims: define<k.PersistentVolumeClaim>("v1", "persistentvolumeclaims", "PersistentVolumeClaim"),
  replicationcontrollers: define<k.ReplicationController>("v1", "replicationcontrollers", "ReplicationController"),
  podtemplates: define<k.PodTemplate>("v1", "podtemplates", "PodTemplate"),
  deployments: define<k.Deployment>("apps/v1", "deployments", "Deployment"),
  replicasets: define<k.ReplicaSet>("apps/v1", "replicasets", "ReplicaSet"),
  daemonsets: define<k.DaemonSet>("apps/v1", "daemonsets", "DaemonSet"),
  statefulsets: define<k.StatefulSet>("apps/v1", "statefulsets", "StatefulSet"),
  controllerrevisions: define<k.ControllerRevision>("apps/v1", "controllerrevisions", "ControllerRevision"),
  jobs: define<k.Job>("batch/v1", "jobs", "Job"),
  cronjobs: define<k.CronJob>("batch/v1", "cronjobs", "CronJob"),
  horizontalpodautoscalers: define<k.HorizontalPodAutoscaler>(
    "autoscaling/v2",
    "horizontalpodautoscalers",
    "HorizontalPodAutoscaler",
  ),
  poddisruptionbudgets: define<k.PodDisruptionBudget>("policy/v1", "poddisruptionbudgets", "PodDisruptionBudget"),
  endpointslices: define<k.EndpointSlice>("discovery.k8s.io/v1", "endpointslices", "EndpointSlice"),
  tokenreviews: define<k.TokenReview>("authentication.k8s.io/v1", "tokenreviews", "TokenReview", false),
  subjectaccessreviews: define<k.SubjectAccessReview>(
    "authorization.k8s.io/v1",
    "subjectaccessreviews",
    "SubjectAccessReview",
    false,
  ),
  leases: define<k.Lease>("coordination.k8s.io/v1", "leases", "Lease"),
  priorityclasses: define<k.PriorityClass>("scheduling.k8s.io/v1", "priorityclasses", "PriorityClass", false),
  storageclasses: define<k.StorageClass>("storage.k8s.io/v1", "storageclasses", "StorageClass", false),
  csinodes: define<k.CSINode>("storage.k8s.io/v1", "csinodes", "CSINode", false),
  csidrivers: define<k.CSIDriver>("storage.k8s.io/v1", "csidrivers", "CSIDriver", false),
  csistoragecapacities: define<k.CSIStorageCapacity>("storage.k8s.io/v1", "csistoragecapacities", "CSIStorageCapacity"),
  volumeattachments: define<k.VolumeAttachment>("storage.k8s.io/v1", "volumeattachments", "VolumeAttachment", false),
  ipaddresses: define<k.IPAddress>("networking.k8s.io/v1", "ipaddresses", "IPAddress", false),
  servicecidrs: define<k.ServiceCIDR>("networking.k8s.io/v1", "servicecidrs", "ServiceCIDR", false),
  networkpolicies: define<k.NetworkPolicy>("networking.k8s.io/v1", "networkpolicies", "NetworkPolicy"),
  clusterroles: define<k.ClusterRole>("rbac.authorization.k8s.io/v1", "clusterroles", "ClusterRole", false),
  clusterrolebindings: define<k.ClusterRoleBinding>(
    "rbac.authorization.k8s.io/v1",
    "clusterrolebindings",
    "ClusterRoleBinding",
    false,
  ),
  roles: define<k.Role>("rbac.authorization.k8s.io/v1", "roles", "Role"),
  rolebindings: define<k.RoleBinding>("rbac.authorization.k8s.io/v1", "rolebindings", "RoleBinding"),
  certificatesigningrequests: define<k.CertificateSigningRequest>(
    "certificates.k8s.io/v1",
    "certificatesigningrequests",
    "CertificateSigningRequest",
    false,
  ),
  runtimeclasses: define<k.RuntimeClass>("node.k8s.io/v1", "runtimeclasses", "RuntimeClass", false),
} as const;
