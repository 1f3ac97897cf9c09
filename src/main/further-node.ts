import { join } from "node:path";
import { errorText } from "#base/errors.ts";
import { apiLink } from "#kube-node/api-link.ts";
import type { Kubelet } from "#kube-node/kubelet.ts";
import { containersOfNode } from "#kube-node/node-engine.ts";
import type { ContainerSide } from "./container-side.ts";
import { nodeRanges, type NodeRecord } from "./node-records.ts";
import type { NodeSetOptions } from "./node-set.ts";
import { openPodNetwork, startNode, type NodeSide } from "./node-side.ts";

/** A node besides the machine's own, with its power on. */
export interface FurtherNode extends NodeSide {
  readonly kubelet: Kubelet;
  readonly isCut: boolean;
  setCut(isCut: boolean): void;
}

/** Makes the node's machine or finds it, connects it, and starts kubelet, proxy and name server on it. */
export async function startFurtherNode(options: NodeSetOptions, record: NodeRecord): Promise<FurtherNode> {
  const { containers, control, ranges, own, nodeBridge, logger } = options;
  const { name } = record;
  const { podCidr, ip, podCidr6, ip6 } = nodeRanges(ranges, record.index);
  const machine = await containers.nodes.open(name);
  const { clusterCidrs, bridgeName } = own;
  const podNetwork = await openPodNetwork(machine.networks, { podCidr, podCidr6, clusterCidrs, bridgeName });
  await containers.nodes.connect(machine, {
    ip,
    podCidr,
    nodeCidr: ranges.nodeCidr,
    ip6,
    podCidr6,
    nodeCidr6: ranges.nodeCidr6,
    clusterCidrs,
    bridgeName: nodeBridge,
  });
  const link = apiLink();
  const isCut = record.wish === "partitioned";
  containers.nodes.setCut(name, isCut);
  const starting = startNode(containers, control, podNetwork, {
    ...own,
    name,
    ip,
    ip6,
    podCidr,
    podCidr6,
    labels: record.labels,
    taints: record.taints,
    dataDir: machine.dataDir,
    manifestFolder: join(machine.dataDir, "manifests"),
    machine,
    link,
    logger: logger.child({ node: name }),
  });
  const side = await starting;
  // It took up what runs on it; from now on it is alone.
  if (isCut) link.cut();
  return {
    ...side,
    get isCut() {
      return link.isCut;
    },
    setCut(cut) {
      if (cut) link.cut();
      else link.mend();
    },
    close(keep) {
      side.close(keep);
      link.close();
    },
  };
}

/** What happens to containers when the power fails. */
export async function endContainers({ engine, logger }: ContainerSide, node: string): Promise<void> {
  const running = containersOfNode(engine, node).filter(({ state }) => "pid" in state);
  await Promise.all(
    running.map(({ id }) =>
      engine
        .stop(id, { timeoutSeconds: 0 })
        .catch((error: unknown) =>
          logger.warn({ id, error: errorText(error) }, "a container of a stopped node runs on"),
        ),
    ),
  );
}

/** Those that join others' namespaces go before what they join. */
export async function removeContainers({ engine }: ContainerSide, node: string): Promise<void> {
  for (const { id } of containersOfNode(engine, node).toReversed())
    await engine.remove(id, { force: true, volumes: true });
}
