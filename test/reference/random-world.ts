// Seeded clusters and pods that use everything the reference scheduler knows.
import type { Random } from "../../src/base/random.ts";
import type {
  Node,
  Pod,
  PodAffinityTerm,
  PodSpec,
  TopologySpreadConstraint,
} from "../../src/formats/kube-types.generated.ts";

export const NAMESPACES: Readonly<Record<string, Record<string, string>>> = {
  default: { team: "a" },
  shop: { team: "b" },
  jobs: { team: "b", batch: "yes" },
};

export interface Chance {
  pick<T>(values: readonly T[]): T;
  happens(share: number): boolean;
  upTo(count: number): number;
}

export function chance(random: Random): Chance {
  return {
    pick: (values) => values[Math.floor(random.next() * values.length)] as never,
    happens: (share) => random.next() < share,
    upTo: (count) => Math.floor(random.next() * count),
  };
}

const ZONE = "topology.kubernetes.io/zone";
const HOST = "kubernetes.io/hostname";
const APPS = ["web", "db", "cache"];
const IMAGES = ["nginx", "redis", "tools"];
const EFFECTS = ["NoSchedule", "PreferNoSchedule", "NoExecute"];

export function randomNode(name: string, { pick, happens }: Chance): Node {
  const labels: Record<string, string> = { [HOST]: name };
  if (happens(0.9)) labels[ZONE] = pick(["a", "b", "c"]);
  if (happens(0.4)) labels["disk"] = pick(["ssd", "hdd"]);
  if (happens(0.5)) labels["size"] = pick(["1", "2", "3", "10"]);
  const taints = happens(0.3) ? [{ key: pick(["k", "gpu"]), value: pick(["x", "y"]), effect: pick(EFFECTS) }] : [];
  if (happens(0.1)) taints.push({ key: "soft", value: "z", effect: "PreferNoSchedule" });
  const allocatable: Record<string, string> = {
    cpu: pick(["1", "2", "4"]),
    memory: pick(["2Gi", "8Gi"]),
    pods: pick(["4", "20"]),
  };
  if (happens(0.2)) allocatable["example.com/gpu"] = "2";
  const images = IMAGES.filter(() => happens(0.3)).map((image) => ({
    names: [`${image}:latest`],
    sizeBytes: 300 * 2 ** 20,
  }));
  return {
    metadata: { name, labels },
    spec: { taints, ...(happens(0.05) && { unschedulable: true }) },
    status: { allocatable, images },
  };
}

export function randomPod(name: string, chances: Chance): Pod {
  const { pick, happens } = chances;
  const labels: Record<string, string> = { app: pick(APPS), version: pick(["1", "2"]) };
  return {
    metadata: { name, uid: name, namespace: pick(Object.keys(NAMESPACES)), labels },
    spec: {
      containers: [container(chances), ...(happens(0.2) ? [container(chances)] : [])],
      ...(happens(0.15) && { initContainers: [container(chances)] }),
      ...(happens(0.05) && { overhead: { cpu: "100m", memory: "64Mi" } }),
      ...(happens(0.2) && { nodeSelector: { disk: pick(["ssd", "hdd"]) } }),
      ...(happens(0.4) && { tolerations: [toleration(chances)] }),
      ...(happens(0.5) && { affinity: affinity(chances) }),
      ...(happens(0.35) && { topologySpreadConstraints: constraints(chances) }),
    },
  };
}

function container({ pick, happens }: Chance): PodSpec["containers"][number] {
  const requests: Record<string, string> = {};
  if (happens(0.8)) requests["cpu"] = pick(["100m", "250m", "500m", "1"]);
  if (happens(0.7)) requests["memory"] = pick(["64Mi", "512Mi", "1Gi"]);
  if (happens(0.05)) requests["example.com/gpu"] = "1";
  const port = { containerPort: 80, hostPort: pick([80, 443]), protocol: pick(["TCP", "UDP"]) };
  return {
    name: "c",
    image: pick(IMAGES),
    resources: { requests },
    ...(happens(0.1) && { ports: [happens(0.5) ? port : { ...port, hostIP: pick(["10.0.0.1", "0.0.0.0"]) }] }),
  };
}

function toleration({ pick, happens }: Chance) {
  const effect = happens(0.5) ? { effect: pick(EFFECTS) } : {};
  if (happens(0.2)) return { operator: "Exists", ...effect };
  return happens(0.5)
    ? { key: pick(["k", "gpu", "soft"]), operator: "Exists", ...effect }
    : { key: pick(["k", "gpu"]), operator: "Equal", value: pick(["x", "y"]), ...effect };
}

function expression({ pick }: Chance) {
  return pick([
    { key: "disk", operator: "In", values: ["ssd"] },
    { key: "disk", operator: "NotIn", values: ["ssd"] },
    { key: "disk", operator: "Exists" },
    { key: "size", operator: "DoesNotExist" },
    { key: "size", operator: "Gt", values: ["1"] },
    { key: "size", operator: "Lt", values: ["3"] },
    { key: ZONE, operator: "In", values: ["a", "b"] },
  ]);
}

function podTerm({ pick, happens }: Chance): PodAffinityTerm {
  const selector = happens(0.8)
    ? { matchLabels: { app: pick(APPS) } }
    : { matchExpressions: [{ key: "app", operator: pick(["In", "NotIn"]), values: [pick(APPS)] }] };
  return {
    topologyKey: pick([ZONE, HOST]),
    labelSelector: selector,
    ...(happens(0.2) && { namespaces: [pick(Object.keys(NAMESPACES))] }),
    ...(happens(0.2) && { namespaceSelector: happens(0.3) ? {} : { matchLabels: { team: pick(["a", "b"]) } } }),
    ...(happens(0.1) && { matchLabelKeys: ["version"] }),
    ...(happens(0.1) && { mismatchLabelKeys: ["version"] }),
  };
}

function affinity(chances: Chance): PodSpec["affinity"] {
  const { pick, happens } = chances;
  const terms = () => [podTerm(chances), ...(happens(0.2) ? [podTerm(chances)] : [])];
  const weighted = () => terms().map((podAffinityTerm) => ({ weight: pick([1, 10, 50]), podAffinityTerm }));
  const sides = () => ({
    ...(happens(0.3) && { requiredDuringSchedulingIgnoredDuringExecution: terms() }),
    ...(happens(0.5) && { preferredDuringSchedulingIgnoredDuringExecution: weighted() }),
  });
  const nodeSelectorTerms = [
    { matchExpressions: [expression(chances), ...(happens(0.3) ? [expression(chances)] : [])] },
  ];
  if (happens(0.3)) nodeSelectorTerms.push({ matchExpressions: [expression(chances)] });
  return {
    ...(happens(0.4) && {
      nodeAffinity: {
        ...(happens(0.5) && { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms } }),
        preferredDuringSchedulingIgnoredDuringExecution: [
          { weight: pick([1, 20, 100]), preference: { matchExpressions: [expression(chances)] } },
          { weight: 5, preference: { matchExpressions: [expression(chances)] } },
        ],
      },
    }),
    ...(happens(0.4) && { podAffinity: sides() }),
    ...(happens(0.5) && { podAntiAffinity: sides() }),
  };
}

function constraints({ pick, happens }: Chance): TopologySpreadConstraint[] {
  const keys = pick([[ZONE], [HOST], [ZONE, HOST]]);
  return keys.map((topologyKey) => {
    const whenUnsatisfiable = pick(["DoNotSchedule", "ScheduleAnyway"]);
    return {
      topologyKey,
      whenUnsatisfiable,
      maxSkew: pick([1, 2, 5]),
      labelSelector: { matchLabels: { app: pick(APPS) } },
      ...(happens(0.2) && { matchLabelKeys: ["version"] }),
      ...(happens(0.2) && whenUnsatisfiable === "DoNotSchedule" && { minDomains: pick([1, 2, 5]) }),
      ...(happens(0.3) && { nodeAffinityPolicy: pick(["Honor", "Ignore"]) }),
      ...(happens(0.3) && { nodeTaintsPolicy: pick(["Honor", "Ignore"]) }),
    };
  });
}
