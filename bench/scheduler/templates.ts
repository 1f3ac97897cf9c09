// The objects of upstream's scheduler_perf templates (test/integration/scheduler_perf/templates), as facts: sizes, labels and constraints.
import type { Node, Pod, PodSpec } from "#formats/kube-types.generated.ts";

export type PodTemplate = () => { readonly labels?: Record<string, string>; readonly spec: PodSpec };

function spec(cpu: string | undefined, more: Omit<Partial<PodSpec>, "containers"> = {}): PodSpec {
  const amounts = cpu === undefined ? undefined : { cpu, memory: "500Mi" };
  const resources = amounts && { requests: amounts, limits: amounts };
  const container = { name: "pause", image: "registry.k8s.io/pause:3.10.1", ports: [{ containerPort: 80 }] };
  return { ...more, containers: [{ ...container, ...(resources && { resources }) }] };
}

const HOSTNAME = "kubernetes.io/hostname";
const ZONE = "topology.kubernetes.io/zone";
const BOTH = { namespaces: ["sched-1", "sched-0"] };
const DEVOPS = { namespaceSelector: { matchLabels: { team: "devops" } } };

function term(color: string, topologyKey: string, scope: object) {
  return { labelSelector: { matchLabels: { color } }, topologyKey, ...scope };
}

function near(color: string, topologyKey: string, scope: object): PodTemplate {
  const affinity = {
    podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term(color, topologyKey, scope)] },
  };
  return () => ({ labels: { color }, spec: spec("100m", { affinity }) });
}

function away(color: string, scope: object): PodTemplate {
  const affinity = {
    podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term(color, HOSTNAME, scope)] },
  };
  return () => ({ labels: { color }, spec: spec("100m", { affinity }) });
}

function prefers(kind: "podAffinity" | "podAntiAffinity", color: string, scope: object): PodTemplate {
  const preferred = [{ weight: 1, podAffinityTerm: term(color, HOSTNAME, scope) }];
  const affinity = { [kind]: { preferredDuringSchedulingIgnoredDuringExecution: preferred } };
  return () => ({ labels: { color }, spec: spec("100m", { affinity }) });
}

function spread(whenUnsatisfiable: string): PodTemplate {
  const constraint = { maxSkew: 5, topologyKey: ZONE, whenUnsatisfiable };
  const topologySpreadConstraints = [{ ...constraint, labelSelector: { matchLabels: { color: "blue" } } }];
  return () => ({ labels: { color: "blue" }, spec: spec("100m", { topologySpreadConstraints }) });
}

function nodeAffinity(expression: { key: string; operator: string; values: string[] }, field: boolean): PodTemplate {
  const nodeSelectorTerms = [field ? { matchFields: [expression] } : { matchExpressions: [expression] }];
  const affinity = { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms } } };
  return () => ({ spec: spec(field ? undefined : "100m", { affinity }) });
}

/** By upstream's file name, without `pod-` and `with-`. */
export const PODS = {
  default: () => ({ spec: spec("100m") }),
  light: () => ({ spec: spec(undefined) }),
  gated: () => ({ spec: spec(undefined, { schedulingGates: [{ name: "scheduling-gate-1" }] }) }),
  lowPriority: () => ({ spec: spec("900m", { terminationGracePeriodSeconds: 0 }) }),
  highPriority: () => ({ spec: spec("3000m", { priorityClassName: "high" }) }),
  highPriorityLargeCpu: () => ({ spec: spec("9000m", { priorityClassName: "high" }) }),
  largeCpu: () => ({ spec: spec("9000m") }),
  antiAffinity: away("green", BOTH),
  antiAffinityLabel: () => ({ labels: { color: "green" }, spec: spec("100m") }),
  affinity: near("blue", ZONE, BOTH),
  preferredAffinity: prefers("podAffinity", "red", BOTH),
  preferredAntiAffinity: prefers("podAntiAffinity", "yellow", BOTH),
  nodeAffinity: nodeAffinity({ key: ZONE, operator: "In", values: ["zone1", "zone2"] }, false),
  daemonset: nodeAffinity({ key: "metadata.name", operator: "In", values: ["scheduler-perf-node"] }, true),
  topologySpreading: spread("DoNotSchedule"),
  preferredTopologySpreading: spread("ScheduleAnyway"),
  antiAffinityNsSelector: away("green", DEVOPS),
  affinityNsSelector: near("green", ZONE, DEVOPS),
  preferredAntiAffinityNsSelector: prefers("podAntiAffinity", "green", DEVOPS),
  preferredAffinityNsSelector: prefers("podAffinity", "green", DEVOPS),
  secretVolume: () => ({
    spec: spec("100m", { volumes: [{ name: "secret", secret: { secretName: "secret", optional: true } }] }),
  }),
} satisfies Record<string, PodTemplate>;

export type PodName = keyof typeof PODS;

export function podOf(template: PodName, name: string, namespace: string, claim?: string): Pod {
  const { labels, spec: of }: ReturnType<PodTemplate> = PODS[template]();
  const volumes = claim === undefined ? of.volumes : [{ name: "vol", persistentVolumeClaim: { claimName: claim } }];
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace, ...(labels && { labels }) },
    spec: { ...of, ...(volumes && { volumes }) },
  };
}

/** node-default: 4 CPUs, 32 GiB, 110 pods, ready. */
export function nodeOf(name: string, labels: Record<string, string>): Node {
  const amounts = { cpu: "4", memory: "32Gi", pods: "110" };
  return {
    apiVersion: "v1",
    kind: "Node",
    metadata: { name, labels: { [HOSTNAME]: name, ...labels } },
    spec: {},
    status: { capacity: amounts, allocatable: amounts, conditions: [{ type: "Ready", status: "True" }] },
  };
}

/** pv-csi and pvc, bound to each other as upstream's harness does it. */
export function volumeOf(name: string, namespace: string) {
  const volume = {
    apiVersion: "v1" as const,
    kind: "PersistentVolume" as const,
    metadata: { name: `pv-${name}`, annotations: { "pv.kubernetes.io/bound-by-controller": "true" } },
    spec: {
      accessModes: ["ReadOnlyMany"],
      capacity: { storage: "1Gi" },
      csi: { driver: "ebs.csi.aws.com", volumeHandle: name },
      claimRef: { apiVersion: "v1", kind: "PersistentVolumeClaim", namespace, name: `pvc-${name}` },
      persistentVolumeReclaimPolicy: "Retain",
    },
    status: { phase: "Bound" },
  };
  const claim = {
    apiVersion: "v1" as const,
    kind: "PersistentVolumeClaim" as const,
    metadata: {
      name: `pvc-${name}`,
      namespace,
      annotations: { "pv.kubernetes.io/bind-completed": "true" },
    },
    spec: {
      accessModes: ["ReadOnlyMany"],
      resources: { requests: { storage: "1Gi" } },
      volumeName: `pv-${name}`,
      storageClassName: "",
    },
    status: { phase: "Bound" },
  };
  return { volume, claim };
}
