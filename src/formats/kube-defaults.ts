// Defaults of the built-in kinds, as k8s.io/kubernetes/pkg/apis/*/v1/defaults.go sets them.
import type { KubeObject } from "./kube-object.ts";
import { groupVersion, type GroupVersionKind } from "./kube-schema.ts";
import * as core from "./kube-defaults/core.ts";
import * as extensions from "./kube-defaults/extensions.ts";
import * as policies from "./kube-defaults/policies.ts";
import { defaultPod } from "./kube-defaults/pod.ts";
import { defaultEndpoints, defaultService } from "./kube-defaults/service.ts";
import { defaultClaim, defaultPersistentVolume } from "./kube-defaults/volumes.ts";
import * as workloads from "./kube-defaults/workloads.ts";

type Defaulter = (object: KubeObject) => void;
/** Each function takes the kind it is listed under. */
const of = <T extends KubeObject>(run: (object: T) => void): Defaulter => run as Defaulter;

const DEFAULTERS: Readonly<Record<string, Defaulter>> = {
  "v1/Pod": of(defaultPod),
  "v1/PodTemplate": of(workloads.defaultPodTemplate),
  "v1/ReplicationController": of(workloads.defaultReplicationController),
  "v1/Service": of(defaultService),
  "v1/Endpoints": of(defaultEndpoints),
  "v1/Secret": of(core.defaultSecret),
  "v1/Namespace": of(core.defaultNamespace),
  "v1/Node": of(core.defaultNode),
  "v1/LimitRange": of(core.defaultLimitRange),
  "v1/ResourceQuota": of(core.defaultQuota),
  "v1/PersistentVolume": of(defaultPersistentVolume),
  "v1/PersistentVolumeClaim": of(defaultClaim),
  "apps/v1/Deployment": of(workloads.defaultDeployment),
  "apps/v1/ReplicaSet": of(workloads.defaultReplicaSet),
  "apps/v1/DaemonSet": of(workloads.defaultDaemonSet),
  "apps/v1/StatefulSet": of(workloads.defaultStatefulSet),
  "batch/v1/Job": of(workloads.defaultJob),
  "batch/v1/CronJob": of(workloads.defaultCronJob),
  "autoscaling/v1/HorizontalPodAutoscaler": of(policies.defaultAutoscalerV1),
  "autoscaling/v2/HorizontalPodAutoscaler": of(policies.defaultAutoscaler),
  "networking.k8s.io/v1/NetworkPolicy": of(policies.defaultNetworkPolicy),
  "networking.k8s.io/v1/IngressClass": of(policies.defaultIngressClass),
  "rbac.authorization.k8s.io/v1/RoleBinding": of(policies.defaultBinding),
  "rbac.authorization.k8s.io/v1/ClusterRoleBinding": of(policies.defaultBinding),
  "storage.k8s.io/v1/StorageClass": of(policies.defaultStorageClass),
  "storage.k8s.io/v1/CSIDriver": of(policies.defaultCsiDriver),
  "discovery.k8s.io/v1/EndpointSlice": of(policies.defaultEndpointSlice),
  "scheduling.k8s.io/v1/PriorityClass": of(policies.defaultPriorityClass),
  "admissionregistration.k8s.io/v1/ValidatingWebhookConfiguration": of((object) =>
    policies.defaultWebhooks(object, false),
  ),
  "admissionregistration.k8s.io/v1/MutatingWebhookConfiguration": of((object) =>
    policies.defaultWebhooks(object, true),
  ),
  "admissionregistration.k8s.io/v1/ValidatingAdmissionPolicy": of(policies.defaultAdmissionPolicy),
  "admissionregistration.k8s.io/v1/MutatingAdmissionPolicy": of(policies.defaultAdmissionPolicy),
  "admissionregistration.k8s.io/v1/ValidatingAdmissionPolicyBinding": of(policies.defaultAdmissionBinding),
  "admissionregistration.k8s.io/v1/MutatingAdmissionPolicyBinding": of(policies.defaultAdmissionBinding),
  "authentication.k8s.io/v1/TokenRequest": of(extensions.defaultTokenRequest),
  "apiextensions.k8s.io/v1/CustomResourceDefinition": extensions.defaultCustomResource,
  "apiregistration.k8s.io/v1/APIService": extensions.defaultApiService,
  "flowcontrol.apiserver.k8s.io/v1/FlowSchema": extensions.defaultFlowSchema,
  "flowcontrol.apiserver.k8s.io/v1/PriorityLevelConfiguration": extensions.defaultPriorityLevel,
  "resource.k8s.io/v1/ResourceClaim": extensions.defaultResourceClaim,
  "resource.k8s.io/v1/ResourceClaimTemplate": extensions.defaultResourceClaim,
};

/** Sets the defaults of a decoded object, in place. Kinds without defaults are left as they are. */
export function applyDefaults({ group, version, kind }: GroupVersionKind, object: KubeObject): void {
  const key = `${groupVersion(group, version)}/${kind}`;
  if (Object.hasOwn(DEFAULTERS, key)) DEFAULTERS[key]?.(object);
}
