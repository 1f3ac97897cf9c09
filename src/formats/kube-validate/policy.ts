import { isDnsSubdomain, isPathSegment } from "../kube-names.ts";
import type {
  CertificateSigningRequest,
  HorizontalPodAutoscaler,
  HPAScalingRules,
  MetricSpec,
  PodDisruptionBudget,
  V1HorizontalPodAutoscaler,
  ValidatingWebhook,
  ValidatingWebhookConfiguration,
} from "../kube-types.generated.ts";
import { sameTree } from "../tree.ts";
import {
  child,
  each,
  forbidden,
  invalid,
  invalidEach,
  oneOf,
  optionalOneOf,
  required,
  type FieldErrors,
} from "./errors.ts";
import { checkSelector } from "./meta.ts";
import { checkAmount } from "./workloads.ts";

export function checkDisruptionBudget({ spec }: PodDisruptionBudget): FieldErrors {
  const { minAvailable, maxUnavailable, selector, unhealthyPodEvictionPolicy } = spec ?? {};
  const errors: FieldErrors = [];
  if (minAvailable !== undefined && maxUnavailable !== undefined) {
    errors.push(invalid("spec", spec, "minAvailable and maxUnavailable cannot be both set"));
  }
  errors.push(...checkAmount(minAvailable, "spec.minAvailable"), ...checkAmount(maxUnavailable, "spec.maxUnavailable"));
  errors.push(...checkSelector(selector, "spec.selector"));
  return [
    ...errors,
    ...optionalOneOf("spec.unhealthyPodEvictionPolicy", unhealthyPodEvictionPolicy, ["AlwaysAllow", "IfHealthyBudget"]),
  ];
}

interface Target {
  readonly kind: string;
  readonly name: string;
}

function checkTarget(target: Target | undefined): FieldErrors {
  const errors: FieldErrors = [];
  const path = "spec.scaleTargetRef";
  if (!target?.kind) errors.push(required(child(path, "kind")));
  else errors.push(...invalidEach(child(path, "kind"), target.kind, isPathSegment(target.kind)));
  if (!target?.name) errors.push(required(child(path, "name")));
  else errors.push(...invalidEach(child(path, "name"), target.name, isPathSegment(target.name)));
  return errors;
}

function checkReplicas(minReplicas: number | undefined, maxReplicas: number | undefined): FieldErrors {
  const errors: FieldErrors = [];
  const most = maxReplicas ?? 0;
  if (minReplicas !== undefined && minReplicas < 1)
    errors.push(invalid("spec.minReplicas", minReplicas, "must be greater than or equal to 1"));
  if (most < 1) errors.push(invalid("spec.maxReplicas", most, "must be greater than 0"));
  if (minReplicas !== undefined && most < minReplicas)
    errors.push(invalid("spec.maxReplicas", most, "must be greater than or equal to `minReplicas`"));
  return errors;
}

export function checkAutoscalerV1({ spec }: V1HorizontalPodAutoscaler): FieldErrors {
  return [...checkReplicas(spec?.minReplicas, spec?.maxReplicas), ...checkTarget(spec?.scaleTargetRef)];
}

export function checkAutoscaler({ spec }: HorizontalPodAutoscaler): FieldErrors {
  return [
    ...checkReplicas(spec?.minReplicas, spec?.maxReplicas),
    ...checkTarget(spec?.scaleTargetRef),
    ...each("spec.metrics", spec?.metrics, checkMetric),
    ...checkScaling(spec?.behavior?.scaleUp, "spec.behavior.scaleUp"),
    ...checkScaling(spec?.behavior?.scaleDown, "spec.behavior.scaleDown"),
  ];
}

const METRIC_FIELDS: Readonly<Record<string, keyof MetricSpec>> = {
  ContainerResource: "containerResource",
  External: "external",
  Object: "object",
  Pods: "pods",
  Resource: "resource",
};

function checkMetric(metric: MetricSpec, path: string): FieldErrors {
  const types = Object.keys(METRIC_FIELDS);
  const errors = oneOf(child(path, "type"), metric.type, types);
  const field = METRIC_FIELDS[metric.type];
  if (!field) return errors;
  const source = metric[field];
  if (typeof source !== "object")
    return [...errors, required(child(path, field), "must populate information for the given metric source")];
  for (const other of Object.values(METRIC_FIELDS)) {
    if (other !== field && metric[other] !== undefined)
      errors.push(forbidden(child(path, other), "must populate the given metric source only"));
  }
  return [...errors, ...checkMetricTarget((source as { target?: MetricTarget }).target, child(path, field, "target"))];
}

interface MetricTarget {
  readonly type: string;
  readonly value?: string;
  readonly averageValue?: string;
  readonly averageUtilization?: number;
}

function checkMetricTarget(target: MetricTarget | undefined, path: string): FieldErrors {
  const errors = oneOf(child(path, "type"), target?.type, ["Utilization", "Value", "AverageValue"]);
  if (target?.averageUtilization !== undefined && target.averageUtilization < 1) {
    errors.push(invalid(child(path, "averageUtilization"), target.averageUtilization, "must be greater than 0"));
  }
  if (target?.value === undefined && target?.averageValue === undefined && target?.averageUtilization === undefined) {
    errors.push(required(path, "must set either a target raw value or a target utilization"));
  }
  return errors;
}

function checkScaling(rules: HPAScalingRules | undefined, path: string): FieldErrors {
  if (!rules) return [];
  const errors: FieldErrors = [];
  const window = rules.stabilizationWindowSeconds;
  if (window !== undefined && (window < 0 || window > 3600)) {
    const detail = window < 0 ? "must be greater than or equal to zero" : "must be less than or equal to 3600";
    errors.push(invalid(child(path, "stabilizationWindowSeconds"), window, detail));
  }
  errors.push(...optionalOneOf(child(path, "selectPolicy"), rules.selectPolicy, ["Disabled", "Max", "Min"]));
  if (!rules.policies?.length)
    return [...errors, required(child(path, "policies"), "must specify at least one Policy")];
  return [
    ...errors,
    ...each(child(path, "policies"), rules.policies, ({ type, value, periodSeconds }, where) => [
      ...oneOf(child(where, "type"), type, ["Percent", "Pods"]),
      ...(value > 0 ? [] : [invalid(child(where, "value"), value, "must be greater than zero")]),
      ...(periodSeconds > 0
        ? []
        : [invalid(child(where, "periodSeconds"), periodSeconds, "must be greater than zero")]),
      ...(periodSeconds > 1800
        ? [invalid(child(where, "periodSeconds"), periodSeconds, "must be less than or equal to 1800")]
        : []),
    ]),
  ];
}

export function checkSigningRequest({ spec }: CertificateSigningRequest): FieldErrors {
  const errors: FieldErrors = [];
  const text = Buffer.from(spec?.request ?? "", "base64").toString();
  if (!text.includes("-----BEGIN CERTIFICATE REQUEST-----")) {
    errors.push(invalid("spec.request", spec?.request ?? "", "PEM block type must be CERTIFICATE REQUEST"));
  }
  if (!spec?.usages?.length) errors.push(required("spec.usages"));
  if (!spec?.signerName) errors.push(required("spec.signerName"));
  else if (!/^[a-z0-9.-]+\/[A-Za-z0-9._-]+$/.test(spec.signerName))
    errors.push(
      invalid(
        "spec.signerName",
        spec.signerName,
        "must be a fully qualified domain and path of the form 'example.com/signer-name'",
      ),
    );
  if (spec?.expirationSeconds !== undefined && spec.expirationSeconds < 600)
    errors.push(
      invalid(
        "spec.expirationSeconds",
        spec.expirationSeconds,
        "may not specify a duration less than 600 seconds (10 minutes)",
      ),
    );
  return errors;
}

export function checkSigningRequestUpdate(
  object: CertificateSigningRequest,
  old: CertificateSigningRequest,
): FieldErrors {
  return sameTree(object.spec, old.spec) ? [] : [invalid("spec", object.spec, "field is immutable")];
}

/** ValidateValidatingWebhookConfiguration; mutating ones have the same shape. */
export function checkWebhooks({ webhooks }: ValidatingWebhookConfiguration): FieldErrors {
  const names = new Set<string>();
  return each("webhooks", webhooks as readonly ValidatingWebhook[] | undefined, (hook, path) => {
    const errors: FieldErrors = [];
    if (hook.name.split(".").length < 3)
      errors.push(
        invalid(child(path, "name"), hook.name, "should be a domain with at least three segments separated by dots"),
      );
    else errors.push(...invalidEach(child(path, "name"), hook.name, isDnsSubdomain(hook.name)));
    if (names.has(hook.name)) errors.push(invalid(child(path, "name"), hook.name, "must be unique"));
    names.add(hook.name);
    if (!hook.admissionReviewVersions?.includes("v1"))
      errors.push(required(child(path, "admissionReviewVersions"), "must specify one of v1"));
    if (!hook.sideEffects || !["None", "NoneOnDryRun"].includes(hook.sideEffects))
      errors.push(...oneOf(child(path, "sideEffects"), hook.sideEffects, ["None", "NoneOnDryRun"]));
    errors.push(...optionalOneOf(child(path, "failurePolicy"), hook.failurePolicy, ["Fail", "Ignore"]));
    errors.push(...optionalOneOf(child(path, "matchPolicy"), hook.matchPolicy, ["Equivalent", "Exact"]));
    const timeout = hook.timeoutSeconds ?? 10;
    if (timeout < 1 || timeout > 30)
      errors.push(
        invalid(child(path, "timeoutSeconds"), timeout, "the timeout value must be between 1 and 30 seconds"),
      );
    errors.push(...checkSelector(hook.namespaceSelector, child(path, "namespaceSelector")));
    const { url, service } = hook.clientConfig;
    if ((url === undefined) === (service === undefined))
      errors.push(required(child(path, "clientConfig"), "exactly one of url or service is required"));
    if (url !== undefined && !url.startsWith("https://"))
      errors.push(
        invalid(
          child(path, "clientConfig", "url"),
          url,
          "'https' is the only allowed URL scheme; desired format: https://host[/path]",
        ),
      );
    return errors;
  });
}
