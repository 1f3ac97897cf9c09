import type { Container } from "#containers/engine.ts";
import type { Pod, ResourceRequirements } from "#formats/kube-types.generated.ts";

/** Labels by which a pod's containers are found again, in the words that every Docker-era tool knows (dockershim's). */
export const LABEL = {
  podName: "io.kubernetes.pod.name",
  podNamespace: "io.kubernetes.pod.namespace",
  podUid: "io.kubernetes.pod.uid",
  containerName: "io.kubernetes.container.name",
  kind: "io.kubernetes.docker.type",
  restartCount: "io.kubernetes.container.restartCount",
  sandboxId: "io.kubernetes.sandbox.id",
  /** Gantry's own: the node, when it is not the machine's own. */
  node: "gantry.node",
} as const;

/** Annotations of static pods and their mirrors in the API (kubelet/types). */
export const ANNOTATION = {
  configHash: "kubernetes.io/config.hash",
  configSource: "kubernetes.io/config.source",
  configSeen: "kubernetes.io/config.seen",
  configMirror: "kubernetes.io/config.mirror",
} as const;

/** A pod of the node's own manifest folder: the API has only its mirror. */
export function isStatic(pod: Pod): boolean {
  return (
    pod.metadata.annotations?.[ANNOTATION.configSource] === "file" &&
    pod.metadata.annotations[ANNOTATION.configMirror] === undefined
  );
}

/** The uid under which the pod's containers run: a mirror's are those of its static pod. */
export function runtimeUid({ metadata }: Pod): string {
  return metadata.annotations?.[ANNOTATION.configMirror] ?? metadata.uid ?? "";
}

/** The container name under which the sandbox runs, as dockershim called it. */
export const SANDBOX_NAME = "POD";

export function podLabels(pod: Pod, containerName: string, restartCount: number): Record<string, string> {
  return {
    [LABEL.podName]: pod.metadata.name ?? "",
    [LABEL.podNamespace]: pod.metadata.namespace ?? "",
    [LABEL.podUid]: pod.metadata.uid ?? "",
    [LABEL.containerName]: containerName,
    [LABEL.kind]: containerName === SANDBOX_NAME ? "podsandbox" : "container",
    [LABEL.restartCount]: String(restartCount),
  };
}

/** `k8s_<container>_<pod>_<namespace>_<uid>_<attempt>`: unique, and readable in `docker ps`. */
export function containerNameFor(pod: Pod, containerName: string, restartCount: number): string {
  const { name, namespace, uid } = pod.metadata;
  return `k8s_${containerName}_${name}_${namespace}_${uid}_${restartCount}`;
}

/** The pod that a container was made for; undefined for others, whatever labels their image gave them (CVE-2026-53488's kind). */
export function podUidOf({ config }: Pick<Container, "config">): string | undefined {
  const origin = config.origin?.["pod"] as { uid?: string } | undefined;
  return origin?.uid;
}

/** The sandbox whose namespaces the container joined. */
export function sandboxIdOf(container: Container): string | undefined {
  return container.config.labels[LABEL.sandboxId];
}

/** The requests and limits that the container has; undefined when it was made by a version that did not write them down. */
export function appliedResources({ config }: Container): ResourceRequirements | undefined {
  const origin = config.origin?.["pod"] as { resources?: ResourceRequirements } | undefined;
  return origin?.resources;
}

export function restartCountOf(container: Container): number {
  return Number(container.config.labels[LABEL.restartCount] ?? 0);
}
