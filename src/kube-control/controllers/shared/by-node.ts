import type { Pod } from "#formats/kube-types.generated.ts";

/** Index of pods by the name of their node. */
export const BY_NODE = "node-name";

export function indexByNode(pod: Pod): readonly string[] {
  return pod.spec?.nodeName ? [pod.spec.nodeName] : [];
}
