import { isDnsLabel, isDnsSubdomain, isIpAddress, isQualifiedName } from "../kube-names.ts";
import type { Pod, PodSpec, PodTemplateSpec } from "../kube-types.generated.ts";
import { checkContainers, type PodScope } from "./container.ts";
import {
  child,
  duplicate,
  each,
  forbidden,
  invalid,
  invalidEach,
  notSupported,
  oneOf,
  optionalOneOf,
  required,
  type FieldErrors,
} from "./errors.ts";
import { checkAnnotations, checkLabels } from "./meta.ts";
import { checkAmounts, checkPodResources } from "./resources.ts";
import { checkAffinity, checkSpread, checkTolerations } from "./scheduling.ts";
import { checkPodSecurity } from "./security.ts";
import { checkVolumes } from "./volumes.ts";

const RESTART_POLICIES = ["Always", "OnFailure", "Never"];
const DNS_POLICIES = ["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"];
const MAX_INT32 = 2 ** 31 - 1;

/** ValidatePodSpec and ValidatePodCreate. */
export function checkPod(pod: Pod): FieldErrors {
  return pod.spec ? checkPodSpec(pod.spec, "spec") : [required("spec.containers")];
}

/** A template's metadata and spec. */
export function checkTemplate(template: PodTemplateSpec | undefined, path: string): FieldErrors {
  if (!template) return [required(path)];
  return [
    ...checkLabels(template.metadata?.labels, child(path, "labels")),
    ...checkAnnotations(template.metadata?.annotations, child(path, "annotations")),
    ...checkPodSpec(template.spec ?? { containers: [] }, child(path, "spec")),
  ];
}

export function checkPodSpec(spec: PodSpec, path: string): FieldErrors {
  const scope: PodScope = {
    spec,
    path,
    volumes: new Set((spec.volumes ?? []).map(({ name }) => name)),
    claims: new Set((spec.resourceClaims ?? []).map(({ name }) => name)),
  };
  return [
    ...checkVolumes(spec.volumes, child(path, "volumes")),
    ...checkContainers(scope),
    ...checkLife(spec, path),
    ...checkNetwork(spec, path),
    ...checkPlacement(spec, path),
    ...checkPodSecurity(spec.securityContext, spec, child(path, "securityContext")),
    ...checkAmounts(spec.overhead, child(path, "overhead")),
    ...checkPodResources(spec.resources, child(path, "resources")),
  ];
}

function subdomain(value: string | undefined, path: string): FieldErrors {
  return value ? invalidEach(path, value, isDnsSubdomain(value)) : [];
}

function checkLife(spec: PodSpec, path: string): FieldErrors {
  const errors = oneOf(child(path, "restartPolicy"), spec.restartPolicy, RESTART_POLICIES);
  const { activeDeadlineSeconds: deadline } = spec;
  if (deadline !== undefined && (deadline < 1 || deadline > MAX_INT32)) {
    errors.push(
      invalid(child(path, "activeDeadlineSeconds"), deadline, `must be between 1 and ${MAX_INT32}, inclusive`),
    );
  }
  errors.push(...subdomain(spec.serviceAccountName, child(path, "serviceAccountName")));
  errors.push(...subdomain(spec.priorityClassName, child(path, "priorityClassName")));
  errors.push(...subdomain(spec.runtimeClassName, child(path, "runtimeClassName")));
  errors.push(
    ...optionalOneOf(child(path, "preemptionPolicy"), spec.preemptionPolicy, ["Never", "PreemptLowerPriority"]),
  );
  if (spec.os) errors.push(...oneOf(child(path, "os", "name"), spec.os.name, ["linux", "windows"]));
  return errors;
}

function checkNetwork(spec: PodSpec, path: string): FieldErrors {
  const errors = oneOf(child(path, "dnsPolicy"), spec.dnsPolicy, DNS_POLICIES);
  errors.push(...checkDnsConfig(spec, child(path, "dnsConfig")));
  if (spec.hostname) errors.push(...invalidEach(child(path, "hostname"), spec.hostname, isDnsLabel(spec.hostname)));
  if (spec.subdomain) errors.push(...invalidEach(child(path, "subdomain"), spec.subdomain, isDnsLabel(spec.subdomain)));
  errors.push(
    ...each(child(path, "hostAliases"), spec.hostAliases, ({ ip, hostnames }, where) => [
      ...invalidEach(child(where, "ip"), ip, isIpAddress(ip)),
      ...(hostnames ?? []).flatMap((name) => invalidEach(child(where, "hostnames"), name, isDnsSubdomain(name))),
    ]),
  );
  if (!spec.hostNetwork) return errors;
  for (const name of ["containers", "initContainers"] as const) {
    errors.push(
      ...each(child(path, name), spec[name], ({ ports }, where) =>
        each(child(where, "ports"), ports, ({ hostPort, containerPort }, port) =>
          hostPort && hostPort !== containerPort
            ? [invalid(child(port, "containerPort"), containerPort, "must match `hostPort` when `hostNetwork` is true")]
            : [],
        ),
      ),
    );
  }
  return errors;
}

function checkDnsConfig({ dnsPolicy, dnsConfig }: PodSpec, path: string): FieldErrors {
  const nameservers = dnsConfig?.nameservers ?? [];
  if (dnsPolicy === "None" && !dnsConfig) return [required(path, "must provide `dnsConfig` when `dnsPolicy` is None")];
  const errors: FieldErrors = [];
  if (dnsPolicy === "None" && nameservers.length === 0) {
    errors.push(
      required(child(path, "nameservers"), "must provide at least one DNS nameserver when `dnsPolicy` is None"),
    );
  }
  if (nameservers.length > 3)
    errors.push(invalid(child(path, "nameservers"), nameservers, "must not have more than 3 nameservers"));
  for (const [index, server] of nameservers.entries()) {
    errors.push(...invalidEach(`${child(path, "nameservers")}[${index}]`, server, isIpAddress(server)));
  }
  const searches = dnsConfig?.searches ?? [];
  if (searches.length > 32)
    errors.push(invalid(child(path, "searches"), searches, "must not have more than 32 search paths"));
  for (const [index, search] of searches.entries()) {
    const plain = search === "." ? "a" : search.replace(/\.$/, "").replaceAll("_", "a");
    errors.push(...invalidEach(`${child(path, "searches")}[${index}]`, search, isDnsSubdomain(plain)));
  }
  errors.push(
    ...each(child(path, "options"), dnsConfig?.options, ({ name }, where) =>
      name ? [] : [required(where, "must not be empty")],
    ),
  );
  return errors;
}

function checkPlacement(spec: PodSpec, path: string): FieldErrors {
  const gates = new Set<string>();
  return [
    ...checkLabels(spec.nodeSelector, child(path, "nodeSelector")),
    ...subdomain(spec.nodeName, child(path, "nodeName")),
    ...checkAffinity(spec.affinity, child(path, "affinity")),
    ...checkTolerations(spec.tolerations, child(path, "tolerations")),
    ...checkSpread(spec.topologySpreadConstraints, child(path, "topologySpreadConstraints")),
    ...each(child(path, "readinessGates"), spec.readinessGates, ({ conditionType }, where) =>
      invalidEach(child(where, "conditionType"), conditionType, isQualifiedName(conditionType)),
    ),
    ...each(child(path, "schedulingGates"), spec.schedulingGates, ({ name }, where) => {
      const errors = invalidEach(where, name, isQualifiedName(name));
      if (gates.has(name)) errors.push(duplicate(where, name));
      gates.add(name);
      return errors;
    }),
  ];
}

/** Templates of controllers that restart what they own. */
export function checkRestartAlways(template: PodTemplateSpec | undefined, kind: string, path: string): FieldErrors {
  const spec = template?.spec;
  const errors: FieldErrors = [];
  if (spec?.restartPolicy && spec.restartPolicy !== "Always") {
    errors.push(notSupported(child(path, "spec", "restartPolicy"), spec.restartPolicy, ["Always"]));
  }
  if (spec?.activeDeadlineSeconds !== undefined) {
    errors.push(
      forbidden(child(path, "spec", "activeDeadlineSeconds"), `activeDeadlineSeconds in ${kind} is not Supported`),
    );
  }
  return errors;
}
