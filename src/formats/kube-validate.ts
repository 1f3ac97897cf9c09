// Validation of the built-in kinds with Kubernetes' own texts (k8s.io/kubernetes/pkg/apis/*/validation).
import { isDns1035Label, isDnsLabel, isDnsSubdomain, isPathSegment } from "./kube-names.ts";
import type { KubeObject } from "./kube-object.ts";
import { groupVersion, kindSchema, type GroupVersionKind } from "./kube-schema.ts";
import * as batch from "./kube-validate/batch.ts";
import * as core from "./kube-validate/core.ts";
import type { FieldError, FieldErrors } from "./kube-validate/errors.ts";
import { renderErrors } from "./kube-validate/errors.ts";
import { checkMeta, checkMetaUpdate, checkStandardFinalizers } from "./kube-validate/meta.ts";
import * as networking from "./kube-validate/networking.ts";
import { checkPod, checkTemplate } from "./kube-validate/pod.ts";
import { checkEphemeralUpdate, checkPodUpdate } from "./kube-validate/pod-update.ts";
import * as policy from "./kube-validate/policy.ts";
import * as rbac from "./kube-validate/rbac.ts";
import * as service from "./kube-validate/service.ts";
import * as storage from "./kube-validate/storage.ts";
import * as workloads from "./kube-validate/workloads.ts";
import type { Pod, PodTemplate } from "./kube-types.generated.ts";

export type { FieldError } from "./kube-validate/errors.ts";

/** What is validated: a kind, and whether its objects live in namespaces. */
export interface ValidatedKind extends GroupVersionKind {
  readonly namespaced: boolean;
}

interface Rules {
  /** Checks the name; a DNS subdomain when absent. */
  readonly name?: (name: string) => string[];
  readonly check?: (object: KubeObject) => FieldErrors;
  readonly update?: (object: KubeObject, old: KubeObject) => FieldErrors;
}

/** Functions of their own kinds, in one table. */
function rules<T extends KubeObject>(
  check: ((object: T) => FieldErrors) | undefined,
  update?: (object: T, old: T) => FieldErrors,
  name?: (name: string) => string[],
): Rules {
  return {
    ...(check ? { check: check as Rules["check"] & {} } : {}),
    ...(update ? { update: update as Rules["update"] & {} } : {}),
    ...(name ? { name } : {}),
  };
}

const RULES: Readonly<Record<string, Rules>> = {
  "v1/Pod": rules<Pod>(checkPod, checkPodUpdate),
  "v1/PodTemplate": rules(({ template }: PodTemplate) => checkTemplate(template, "template")),
  "v1/ReplicationController": rules(workloads.checkReplicationController),
  "v1/Service": rules(service.checkService, service.checkServiceUpdate, isDns1035Label),
  "v1/Endpoints": rules(service.checkEndpoints),
  "v1/ConfigMap": rules(core.checkConfigMap, core.checkConfigMapUpdate),
  "v1/Secret": rules(core.checkSecret, core.checkSecretUpdate),
  "v1/Namespace": rules(core.checkNamespace, undefined, isDnsLabel),
  "v1/Node": rules(core.checkNode, core.checkNodeUpdate),
  "v1/Event": rules(core.checkEvent),
  "events.k8s.io/v1/Event": rules(core.checkEvent),
  "v1/ResourceQuota": rules(core.checkQuota, core.checkQuotaUpdate),
  "v1/LimitRange": rules(core.checkLimitRange),
  "v1/PersistentVolume": rules(storage.checkPersistentVolume, storage.checkPersistentVolumeUpdate),
  "v1/PersistentVolumeClaim": rules(storage.checkClaim, storage.checkClaimUpdate),
  "apps/v1/Deployment": rules(workloads.checkDeployment, workloads.checkSelectorKept as never),
  "apps/v1/ReplicaSet": rules(workloads.checkReplicaSet, workloads.checkSelectorKept as never),
  "apps/v1/DaemonSet": rules(workloads.checkDaemonSet, workloads.checkSelectorKept as never),
  "apps/v1/StatefulSet": rules(workloads.checkStatefulSet, workloads.checkStatefulSetUpdate, isDnsLabel),
  "batch/v1/Job": rules(batch.checkJob, batch.checkJobUpdate),
  "batch/v1/CronJob": rules(batch.checkCronJob),
  "autoscaling/v1/HorizontalPodAutoscaler": rules(policy.checkAutoscalerV1),
  "autoscaling/v2/HorizontalPodAutoscaler": rules(policy.checkAutoscaler),
  "policy/v1/PodDisruptionBudget": rules(policy.checkDisruptionBudget),
  "rbac.authorization.k8s.io/v1/Role": rules(rbac.checkRole, undefined, isPathSegment),
  "rbac.authorization.k8s.io/v1/ClusterRole": rules(rbac.checkClusterRole, undefined, isPathSegment),
  "rbac.authorization.k8s.io/v1/RoleBinding": rules(rbac.checkRoleBinding, rbac.checkRoleRefKept, isPathSegment),
  "rbac.authorization.k8s.io/v1/ClusterRoleBinding": rules(
    rbac.checkClusterRoleBinding,
    rbac.checkRoleRefKept,
    isPathSegment,
  ),
  "networking.k8s.io/v1/NetworkPolicy": rules(networking.checkNetworkPolicy),
  "networking.k8s.io/v1/Ingress": rules(networking.checkIngress),
  "networking.k8s.io/v1/IngressClass": rules(networking.checkIngressClass, networking.checkIngressClassUpdate),
  "networking.k8s.io/v1/IPAddress": rules(undefined, undefined, () => []),
  "storage.k8s.io/v1/StorageClass": rules(storage.checkStorageClass, storage.checkStorageClassUpdate),
  "storage.k8s.io/v1/CSIDriver": rules(storage.checkCsiDriver),
  "storage.k8s.io/v1/VolumeAttachment": rules(storage.checkVolumeAttachment),
  "discovery.k8s.io/v1/EndpointSlice": rules(service.checkEndpointSlice, service.checkEndpointSliceUpdate),
  "coordination.k8s.io/v1/Lease": rules(core.checkLease),
  "scheduling.k8s.io/v1/PriorityClass": rules(storage.checkPriorityClass, storage.checkPriorityClassUpdate),
  "node.k8s.io/v1/RuntimeClass": rules(storage.checkRuntimeClass, storage.checkHandlerKept),
  "certificates.k8s.io/v1/CertificateSigningRequest": rules(
    policy.checkSigningRequest,
    policy.checkSigningRequestUpdate,
  ),
  "admissionregistration.k8s.io/v1/ValidatingWebhookConfiguration": rules(policy.checkWebhooks),
  "admissionregistration.k8s.io/v1/MutatingWebhookConfiguration": rules(policy.checkWebhooks),
};
const NO_RULES: Rules = {};

function rulesOf({ group, version, kind }: GroupVersionKind): Rules {
  const key = `${groupVersion(group, version)}/${kind}`;
  return (Object.hasOwn(RULES, key) ? RULES[key] : undefined) ?? NO_RULES;
}

/** Groups whose servers take any qualified name for a finalizer, as they do for custom resources. */
const OTHER_SERVERS = new Set(["apiextensions.k8s.io", "apiregistration.k8s.io"]);

function metaErrors(kind: ValidatedKind, { metadata }: KubeObject, name: (name: string) => string[]): FieldErrors {
  const own = kindSchema(kind) !== undefined && !OTHER_SERVERS.has(kind.group);
  const errors = checkMeta(metadata, kind.namespaced, name);
  return own ? [...errors, ...checkStandardFinalizers(metadata.finalizers, "metadata.finalizers")] : errors;
}

/** Everything wrong with a decoded and defaulted object that is to be created. Kinds without rules have their metadata checked. */
export function validateCreate(kind: ValidatedKind, object: KubeObject): FieldError[] {
  const { name = isDnsSubdomain, check } = rulesOf(kind);
  return [...metaErrors(kind, object, name), ...(check?.(object) ?? [])];
}

/** Everything wrong with a changed object, changes of what is fixed among it. Pods are checked for what may change only. */
export function validateUpdate(kind: ValidatedKind, object: KubeObject, old: KubeObject): FieldError[] {
  const { name = isDnsSubdomain, check, update } = rulesOf(kind);
  const meta = metaErrors(kind, object, name);
  const frozen = checkMetaUpdate(object.metadata, old.metadata);
  const fixed = update?.(object, old) ?? [];
  return [...meta, ...frozen, ...(kind.group === "" && kind.kind === "Pod" ? [] : (check?.(object) ?? [])), ...fixed];
}

/** A pod written through `pods/ephemeralcontainers`. */
export function validateEphemeralContainers(pod: Pod, old: Pod): FieldError[] {
  return [...checkPod(pod), ...checkEphemeralUpdate(pod, old)];
}

/** `Deployment.apps "web" is invalid: spec.replicas: Invalid value: -1: …`, with `[a, b]` around several errors. */
export function invalidMessage({ group, kind }: GroupVersionKind, name: string, errors: readonly FieldError[]): string {
  return `${group === "" ? kind : `${kind}.${group}`} ${JSON.stringify(name)} is invalid: ${renderErrors(errors)}`;
}
