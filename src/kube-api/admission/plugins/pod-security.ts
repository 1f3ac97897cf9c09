// Pod security standards, as a namespace's labels ask for them (k8s.io/pod-security-admission).
import type { KubeObject } from "#formats/kube-object.ts";
import type { Pod, PodSpec, PodTemplateSpec } from "#formats/kube-types.generated.ts";
import { forbidden } from "../../status.ts";
import type { AdmissionPlugin, Attributes } from "../admission.ts";
import type { Reader } from "../reader.ts";
import { violations, type Level } from "./pod-security-checks.ts";

const PREFIX = "pod-security.kubernetes.io/";

/** Kinds that make pods: they are only warned about, their pods are what is refused. */
const TEMPLATES: Readonly<Record<string, (object: KubeObject) => PodTemplateSpec | undefined>> = {
  podtemplates: (object) => (object as { template?: PodTemplateSpec }).template,
  replicationcontrollers: templateOfSpec,
  "replicasets.apps": templateOfSpec,
  "deployments.apps": templateOfSpec,
  "statefulsets.apps": templateOfSpec,
  "daemonsets.apps": templateOfSpec,
  "jobs.batch": templateOfSpec,
  "cronjobs.batch": (object) =>
    (object as { spec?: { jobTemplate?: { spec?: { template?: PodTemplateSpec } } } }).spec?.jobTemplate?.spec
      ?.template,
};

function templateOfSpec(object: KubeObject): PodTemplateSpec | undefined {
  return (object as { spec?: { template?: PodTemplateSpec } }).spec?.template;
}

export function podSecurity(read: Reader): AdmissionPlugin {
  return {
    name: "PodSecurity",
    async validate(attributes) {
      const { operation, definition, subresource, namespace, object } = attributes;
      if (!object || (operation !== "CREATE" && operation !== "UPDATE")) return;
      if (subresource !== "" && subresource !== "ephemeralcontainers") return;
      const resource = definition.group === "" ? definition.resource : `${definition.resource}.${definition.group}`;
      const template = TEMPLATES[resource];
      if (resource !== "pods" && !template) return;
      const labels = (await read("namespaces", "", namespace))?.metadata.labels ?? {};
      if (resource === "pods") checkPod(attributes, object as Pod & KubeObject, labels);
      else warnOfTemplate(attributes, template?.(object), labels);
    },
  };
}

type Labels = Readonly<Record<string, string>>;

/** Privileged is what holds where nothing, or nothing known, is said. */
function levelOf(labels: Labels, mode: "enforce" | "warn"): { level: Level; version: string } {
  const level = labels[PREFIX + mode];
  const version = labels[`${PREFIX}${mode}-version`] ?? "latest";
  return { level: level === "baseline" || level === "restricted" ? level : "privileged", version };
}

function checkPod(attributes: Attributes, pod: Pod & KubeObject, labels: Labels): void {
  const { definition, name } = attributes;
  if (!pod.spec || unchanged(attributes)) return;
  const { level, version } = levelOf(labels, "enforce");
  const faults = violations(level, pod.spec, pod.metadata);
  if (faults.length > 0)
    throw forbidden(
      definition,
      pod.metadata.name ?? name,
      `violates PodSecurity "${level}:${version}": ${faults.join(", ")}`,
    );
  warn(attributes, pod.spec, pod.metadata, labels);
}

/** Updates that leave containers and security contexts as they are (labels, tolerations) are not judged again. */
function unchanged({ operation, subresource, object, old }: Attributes): boolean {
  if (operation !== "UPDATE" || subresource !== "") return false;
  const parts = (one: KubeObject | undefined): string => {
    const spec = (one as Pod | undefined)?.spec as (PodSpec & Record<string, unknown>) | undefined;
    return JSON.stringify([spec?.containers, spec?.initContainers, spec?.securityContext]);
  };
  return parts(object) === parts(old);
}

function warnOfTemplate(attributes: Attributes, template: PodTemplateSpec | undefined, labels: Labels): void {
  if (template?.spec) warn(attributes, template.spec, template.metadata ?? {}, labels);
}

function warn({ context }: Attributes, spec: PodSpec, metadata: KubeObject["metadata"], labels: Labels): void {
  const { level, version } = levelOf(labels, "warn");
  const faults = violations(level, spec, metadata);
  if (faults.length > 0) context.warn(`would violate PodSecurity "${level}:${version}": ${faults.join(", ")}`);
}
