import { isGantryError } from "#base/errors.ts";
import { RESOURCES } from "#formats/kube-resources.ts";
import type { Node } from "#formats/kube-types.generated.ts";
import type { KubeClient } from "#kube-client/client.ts";

/**
 * A Node's ranges of pods cannot be changed: one that got others while nothing ran on it is made anew, with the labels, annotations and
 * taints that it had. A kubelet may not do so itself.
 */
export async function readdressNode(client: KubeClient, nodeName: string, podCIDRs: readonly string[]): Promise<void> {
  const node = await client.get(RESOURCES.nodes, undefined, nodeName).catch((error: unknown): Node | undefined => {
    if (isGantryError(error, "not-found")) return undefined;
    throw error;
  });
  const before = node?.spec?.podCIDRs ?? [];
  if (!node || before.length === 0 || before.join() === podCIDRs.join()) return;
  const { name, labels, annotations } = node.metadata;
  await client.delete(RESOURCES.nodes, undefined, nodeName);
  await client.create(RESOURCES.nodes, {
    apiVersion: "v1",
    kind: "Node",
    metadata: { name, ...(labels && { labels }), ...(annotations && { annotations }) },
    spec: { ...node.spec, podCIDR: podCIDRs[0] ?? "", podCIDRs: [...podCIDRs] },
  });
}
