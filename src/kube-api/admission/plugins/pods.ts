// Small plugins that fill in pods.
import type { KubeObject } from "#formats/kube-object.ts";
import type { Container, Node, Pod, PodSpec, RuntimeClass, Toleration } from "#formats/kube-types.generated.ts";
import { forbidden } from "../../status.ts";
import type { AdmissionPlugin, Attributes } from "../admission.ts";
import type { Lister, Reader } from "../reader.ts";

export type PodObject = Pod & KubeObject & { spec: PodSpec };

/** The pod of a request that creates one; undefined for any other request. */
export function createdPod({ operation, definition, subresource, object }: Attributes): PodObject | undefined {
  const isPod = definition.group === "" && definition.resource === "pods" && subresource === "";
  return isPod && operation === "CREATE" && (object as Pod | undefined)?.spec ? (object as PodObject) : undefined;
}

/** Every container of a pod, of all three kinds. */
export function allContainers(spec: PodSpec): Container[] {
  return [
    ...(spec.initContainers ?? []),
    ...(spec.containers ?? []),
    ...((spec.ephemeralContainers ?? []) as Container[]),
  ];
}

const NOT_READY = "node.kubernetes.io/not-ready";
const UNREACHABLE = "node.kubernetes.io/unreachable";
const DEFAULT_SECONDS = 300;

/** Pods leave nodes that are not ready or unreachable after five minutes, unless they say otherwise. */
export const defaultTolerationSeconds: AdmissionPlugin = {
  name: "DefaultTolerationSeconds",
  admit(attributes) {
    const pod = createdPod(attributes);
    if (!pod) return;
    const tolerations = pod.spec.tolerations ?? [];
    const added = [NOT_READY, UNREACHABLE].filter((key) => !tolerations.some((one) => tolerates(one, key)));
    if (added.length === 0) return;
    pod.spec.tolerations = [
      ...tolerations,
      ...added.map((key): Toleration => ({
        key,
        operator: "Exists",
        effect: "NoExecute",
        tolerationSeconds: DEFAULT_SECONDS,
      })),
    ];
  },
};

function tolerates({ key = "", effect = "" }: Toleration, taint: string): boolean {
  return (key === taint || key === "") && (effect === "NoExecute" || effect === "");
}

type PriorityClassObject = KubeObject & { value: number; globalDefault?: boolean; preemptionPolicy?: string };

/** Resolves priorityClassName to a number (plugin/priority). */
export function priority(read: Reader, list: Lister): AdmissionPlugin {
  const classes = "priorityclasses.scheduling.k8s.io";
  return {
    name: "Priority",
    async admit(attributes) {
      const pod = createdPod(attributes);
      if (!pod) return;
      const { spec } = pod;
      const found = spec.priorityClassName
        ? ((await read(classes, "", spec.priorityClassName)) as PriorityClassObject | undefined)
        : defaultClass((await list(classes, "")) as readonly PriorityClassObject[]);
      const refuse = (why: string): Error => forbidden(attributes.definition, pod.metadata.name ?? "", why);
      if (spec.priorityClassName && !found)
        throw refuse(`no PriorityClass with name ${spec.priorityClassName} was found`);
      const value = found?.value ?? 0;
      if (spec.priority !== undefined && spec.priority !== value) {
        throw refuse(
          `the integer value of priority (${spec.priority}) must not be provided in pod spec; priority admission controller computed ${value} from the given PriorityClass name`,
        );
      }
      const policy = found?.preemptionPolicy ?? "PreemptLowerPriority";
      if (spec.preemptionPolicy !== undefined && spec.preemptionPolicy !== policy) {
        throw refuse(
          `the string value of PreemptionPolicy (${spec.preemptionPolicy}) must not be provided in pod spec; priority admission controller computed ${policy} from the given PriorityClass name`,
        );
      }
      if (found?.metadata.name) spec.priorityClassName = found.metadata.name;
      spec.priority = value;
      spec.preemptionPolicy = policy as NonNullable<PodSpec["preemptionPolicy"]>;
    },
  };
}

/** Of several global defaults the lowest counts. */
function defaultClass(classes: readonly PriorityClassObject[]): PriorityClassObject | undefined {
  const defaults = classes.filter(({ globalDefault }) => globalDefault);
  return defaults.toSorted((a, b) => a.value - b.value)[0];
}

/** Fills in a runtime class's overhead and scheduling (plugin/runtimeclass). */
export function runtimeClass(read: Reader): AdmissionPlugin {
  return {
    name: "RuntimeClass",
    async admit(attributes) {
      const pod = createdPod(attributes);
      if (!pod) return;
      const refuse = (why: string): Error => forbidden(attributes.definition, pod.metadata.name ?? "", why);
      const name = pod.spec.runtimeClassName;
      if (!name) {
        if (pod.spec.overhead && Object.keys(pod.spec.overhead).length > 0) {
          throw refuse("Pod Overhead set without corresponding RuntimeClass defined Overhead");
        }
        return;
      }
      const found = (await read("runtimeclasses.node.k8s.io", "", name)) as (RuntimeClass & KubeObject) | undefined;
      if (!found) throw refuse(`pod rejected: RuntimeClass ${JSON.stringify(name)} not found`);
      const overhead = found.overhead?.podFixed as unknown as PodSpec["overhead"];
      if (overhead) pod.spec.overhead = overhead;
      const { nodeSelector, tolerations } = found.scheduling ?? {};
      for (const [key, value] of Object.entries(nodeSelector ?? {})) {
        const own = pod.spec.nodeSelector?.[key];
        if (own !== undefined && own !== value)
          throw refuse(
            `conflict: runtimeClass.scheduling.nodeSelector[${key}] = ${value}; pod.spec.nodeSelector[${key}] = ${own}`,
          );
      }
      if (nodeSelector) pod.spec.nodeSelector = { ...pod.spec.nodeSelector, ...nodeSelector };
      if (tolerations?.length) pod.spec.tolerations = [...(pod.spec.tolerations ?? []), ...tolerations];
    },
  };
}

/** A new node takes no pods before it is ready (plugin/nodetaint); one that registers as ready already is not tainted. */
export const taintNodesByCondition: AdmissionPlugin = {
  name: "TaintNodesByCondition",
  admit({ operation, definition, subresource, object }) {
    if (operation !== "CREATE" || definition.group !== "" || definition.resource !== "nodes" || subresource !== "")
      return;
    const node = object as Node & KubeObject;
    if (node.status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True")) return;
    const taints = node.spec?.taints ?? [];
    if (taints.some(({ key, effect }) => key === NOT_READY && effect === "NoSchedule")) return;
    node.spec = { ...node.spec, taints: [...taints, { key: NOT_READY, effect: "NoSchedule" }] };
  },
};
