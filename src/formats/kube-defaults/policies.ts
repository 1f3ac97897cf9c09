import type {
  ClusterRoleBinding,
  CSIDriver,
  EndpointSlice,
  HorizontalPodAutoscaler,
  HPAScalingRules,
  IngressClass,
  MatchResources,
  MutatingAdmissionPolicy,
  MutatingWebhookConfiguration,
  NetworkPolicy,
  PriorityClass,
  RoleBinding,
  RuleWithOperations,
  StorageClass,
  V1HorizontalPodAutoscaler,
  ValidatingAdmissionPolicy,
  ValidatingAdmissionPolicyBinding,
  ValidatingWebhookConfiguration,
  WebhookClientConfig,
} from "../kube-types.generated.ts";

const RBAC_GROUP = "rbac.authorization.k8s.io";

/** SetDefaults_RoleBinding, _ClusterRoleBinding, _Subject. */
export function defaultBinding({ roleRef, subjects }: RoleBinding | ClusterRoleBinding): void {
  if (roleRef) roleRef.apiGroup ||= RBAC_GROUP;
  for (const subject of subjects ?? []) {
    if (subject.kind === "User" || subject.kind === "Group") subject.apiGroup ||= RBAC_GROUP;
  }
}

export function defaultNetworkPolicy({ spec }: NetworkPolicy): void {
  if (!spec) return;
  const rules = [...(spec.ingress ?? []), ...(spec.egress ?? [])];
  for (const rule of rules) for (const port of rule.ports ?? []) port.protocol ||= "TCP";
  if (spec.policyTypes?.length) return;
  spec.policyTypes = spec.egress?.length ? ["Ingress", "Egress"] : ["Ingress"];
}

export function defaultIngressClass({ spec }: IngressClass): void {
  if (spec?.parameters) spec.parameters.scope ??= "Cluster";
}

export function defaultStorageClass(storageClass: StorageClass): void {
  storageClass.reclaimPolicy ??= "Delete";
  storageClass.volumeBindingMode ??= "Immediate";
}

export function defaultCsiDriver({ spec }: CSIDriver): void {
  if (!spec) return;
  spec.attachRequired ??= true;
  spec.podInfoOnMount ??= false;
  spec.storageCapacity ??= false;
  spec.fsGroupPolicy ??= "ReadWriteOnceWithFSType";
  if (!spec.volumeLifecycleModes?.length) spec.volumeLifecycleModes = ["Persistent"];
  spec.requiresRepublish ??= false;
  spec.seLinuxMount ??= false;
}

export function defaultEndpointSlice(slice: EndpointSlice): void {
  for (const port of slice.ports ?? []) {
    port.name ??= "";
    port.protocol ??= "TCP";
  }
}

export function defaultPriorityClass(priorityClass: PriorityClass): void {
  priorityClass.preemptionPolicy ??= "PreemptLowerPriority";
}

export function defaultAutoscalerV1({ spec }: V1HorizontalPodAutoscaler): void {
  if (!spec) return;
  spec.minReplicas ??= 1;
  spec.targetCPUUtilizationPercentage ??= 80;
}

/** SetDefaults_HorizontalPodAutoscaler: 80 % of CPU when no metric is given; scaling rules only where `behavior` is set. */
export function defaultAutoscaler({ spec }: HorizontalPodAutoscaler): void {
  if (!spec) return;
  spec.minReplicas ??= 1;
  if (!spec.metrics?.length) {
    spec.metrics = [
      { type: "Resource", resource: { name: "cpu", target: { type: "Utilization", averageUtilization: 80 } } },
    ];
  }
  if (!spec.behavior) return;
  const percent = { type: "Percent", value: 100, periodSeconds: 15 };
  spec.behavior.scaleUp = scalingRules(spec.behavior.scaleUp, 0, [
    { type: "Pods", value: 4, periodSeconds: 15 },
    percent,
  ]);
  spec.behavior.scaleDown = scalingRules(spec.behavior.scaleDown, undefined, [percent]);
}

function scalingRules(
  given: HPAScalingRules | undefined,
  stabilizationSeconds: number | undefined,
  policies: HPAScalingRules["policies"],
): HPAScalingRules {
  const rules = { ...given };
  rules.selectPolicy ??= "Max";
  if (stabilizationSeconds !== undefined) rules.stabilizationWindowSeconds ??= stabilizationSeconds;
  if (!rules.policies?.length && policies) rules.policies = policies;
  return rules;
}

/** Validating and mutating webhooks share all but the reinvocation policy. */
export function defaultWebhooks(
  configuration: ValidatingWebhookConfiguration | MutatingWebhookConfiguration,
  mutating: boolean,
): void {
  for (const webhook of configuration.webhooks ?? []) {
    webhook.failurePolicy ??= "Fail";
    webhook.matchPolicy ??= "Equivalent";
    webhook.namespaceSelector ??= {};
    webhook.objectSelector ??= {};
    webhook.timeoutSeconds ??= 10;
    if (mutating) (webhook as { reinvocationPolicy?: string }).reinvocationPolicy ??= "Never";
    defaultServicePort(webhook.clientConfig);
    defaultScopes(webhook.rules);
  }
}

export function defaultServicePort(config: Pick<WebhookClientConfig, "service"> | undefined): void {
  if (config?.service) config.service.port ??= 443;
}

function defaultScopes(rules: readonly RuleWithOperations[] | undefined): void {
  for (const rule of rules ?? []) rule.scope ??= "*";
}

export function defaultAdmissionPolicy({ spec }: ValidatingAdmissionPolicy | MutatingAdmissionPolicy): void {
  if (!spec) return;
  spec.failurePolicy ??= "Fail";
  defaultMatch(spec.matchConstraints);
}

export function defaultAdmissionBinding({ spec }: ValidatingAdmissionPolicyBinding): void {
  defaultMatch(spec?.matchResources);
}

function defaultMatch(match: MatchResources | undefined): void {
  if (!match) return;
  match.matchPolicy ??= "Equivalent";
  match.namespaceSelector ??= {};
  match.objectSelector ??= {};
  defaultScopes(match.resourceRules);
  defaultScopes(match.excludeResourceRules);
}
