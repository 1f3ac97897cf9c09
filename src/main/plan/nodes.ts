import type { PlannedNode } from "#cli/scheduling-ports.ts";
import type { Node, Pod } from "#formats/kube-types.generated.ts";
import { podRequests, resourceAmounts } from "#formats/pod-requests.ts";

/** How full each node would be. */
export function plannedNodes(nodes: readonly Node[], pods: readonly Pod[]): PlannedNode[] {
  const byNode = Map.groupBy(pods, ({ spec }) => spec?.nodeName ?? "");
  return nodes.map(({ metadata, status }) => {
    const name = metadata.name ?? "";
    const here = byNode.get(name) ?? [];
    const allocatable = resourceAmounts(status?.allocatable ?? status?.capacity);
    const requested = (resource: string): number =>
      here.reduce((sum, pod) => sum + (podRequests(pod).get(resource) ?? 0), 0);
    return {
      name,
      pods: here.length,
      cpu: { requested: requested("cpu") / 1000, allocatable: (allocatable.get("cpu") ?? 0) / 1000 },
      memory: { requested: requested("memory"), allocatable: allocatable.get("memory") ?? 0 },
      labels: metadata.labels ?? {},
    };
  });
}
