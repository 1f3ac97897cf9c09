import { writeFile, mkdir, rename } from "node:fs/promises";
import { readFileSync } from "node:fs";
import { homedir, hostname } from "node:os";
import { dirname, join } from "node:path";
import type { Logger } from "#base/logger.ts";
import type { UpOptions } from "#cli/ports.ts";
import type { SimulatedNodes } from "#kube-control/simulated-nodes.ts";
import { readKubeconfigs, writeContext } from "#kube-client/kubeconfig-file.ts";
import { addressIn, nodeAddress, portRange } from "./addresses.ts";
import type { ContainerSide } from "./container-side.ts";
import { openControlPlane, type ControlPlane } from "./control-plane.ts";
import { clusterDirectory } from "./snapshot.ts";
import { nodeReadings } from "./node-readings.ts";
import { kubeletSettings } from "#kube-node/kubelet-configuration.ts";
import { parseLabels, parseTaints } from "./node-options.ts";
import { nodeRanges, type NodeRecords } from "./node-records.ts";
import { startNodes, type NodeSet } from "./node-set.ts";
import { openPodNetwork, type NodeSideOptions } from "./node-side.ts";
import { startSimulated } from "./simulated.ts";
import type { Ranges } from "./ranges.ts";

export interface ClusterSideOptions {
  readonly options: UpOptions;
  readonly ranges: Ranges;
  readonly containers: ContainerSide;
  readonly bridgeName: string;
  /** Of the bridge between this machine and its further nodes. */
  readonly nodeBridge: string;
  readonly records: NodeRecords;
  readonly logger: Logger;
}

/** The Kubernetes half of a Gantry: control plane and this machine's node. */
export interface ClusterSide {
  readonly url: string;
  readonly kubeconfig: string;
  /** The context's name in the user's own kubeconfig, when it was merged there. */
  readonly context: string | undefined;
  readonly nodeName: string;
  readonly nodes: NodeSet;
  /** Writes the cluster's objects and keys to a file. */
  saveSnapshot(target: string): Promise<void>;
  /** Ends pods in good order where the kubelets' configuration gives them time to. Before `closeNode`. */
  shutDownNodes(): Promise<void>;
  /** Stops the kubelet, the proxy and the name server; pods run on, and with `services` they keep finding each other. */
  closeNode(keep: { readonly services: boolean }): void;
  /** After `closeNode`, when no pod runs any more: what was made for them and for further nodes leaves the host. */
  dismantle(): Promise<void>;
  close(): Promise<void>;
}

const CLUSTER_DOMAIN = "cluster.local";
const API_PORT = 6443;
/** As kubeadm: the tenth address of the services' range is the name server's. */
const DNS_OFFSET = 10;

export async function startCluster({
  options,
  ranges,
  containers,
  bridgeName,
  nodeBridge,
  records,
  logger,
}: ClusterSideOptions): Promise<ClusterSide> {
  const { places } = options;
  const gateway = addressIn(ranges.podCidr, 1);
  const node = nodeOptions(options, ranges, bridgeName, logger);
  const apiAddress = options.apiAddress ?? "127.0.0.1";
  const [podNetwork, control] = await Promise.all([
    openPodNetwork(containers.networks, node),
    openControlPlane({
      dataDir: clusterDirectory(places),
      localVolumesDir: join(places.dataDir, "local-path"),
      serviceCidr: node.serviceCidrs.join(","),
      nodePorts: portRange(options.nodePorts ?? "30000-32767"),
      clusterDomain: CLUSTER_DOMAIN,
      names: [
        gateway,
        addressIn(ranges.serviceCidr, 1),
        node.ip,
        node.name,
        ...(apiAddress === "127.0.0.1" ? [] : [apiAddress]),
      ],
      logger: logger.child({ component: "kube-api" }),
    }),
  ]);
  let nodes: NodeSet | undefined;
  let simulated: SimulatedNodes | undefined;
  try {
    const port = await control.listen(apiAddress, options.apiPort ?? API_PORT);
    // Pods reach the API at their gateway, through the `kubernetes` service.
    await control.listen(gateway, port);
    await control.server.advertise({ address: gateway, port });
    const [, started] = await Promise.all([
      control.startControl(),
      startNodes({
        containers,
        control,
        records,
        ranges,
        own: node,
        ownPodNetwork: podNetwork,
        nodeBridge,
        logger,
      }),
    ]);
    nodes = started;
    control.server.useNodes(started.streams);
    control.server.useMetrics(
      nodeReadings({
        informers: control.informers,
        certificates: control.server.certificates,
        local: { name: node.name, usage: started.own.kubelet.usage },
        logger,
      }),
    );
    simulated = await startSimulated(control, options.simulatedNodes ?? 0, logger);
    const url = `https://${apiAddress}:${port}`;
    const context = await writeKubeconfigs(options, control, url);
    const facts = { url, kubeconfig: places.kubeconfig, context, nodeName: node.name, nodes: started };
    return clusterSide(control, started, simulated, facts);
  } catch (error) {
    await simulated?.stop();
    nodes?.close({ services: true });
    await control.close();
    throw error;
  }
}

function clusterSide(
  control: ControlPlane,
  nodes: NodeSet,
  simulated: SimulatedNodes | undefined,
  facts: Omit<ClusterSide, "close" | "closeNode" | "dismantle" | "saveSnapshot" | "shutDownNodes">,
): ClusterSide {
  let closed = false;
  const closeNode: ClusterSide["closeNode"] = (keep) => {
    if (!closed) nodes.close(keep);
    closed = true;
  };
  return {
    ...facts,
    closeNode,
    shutDownNodes: () => nodes.shutDown(),
    dismantle: nodes.dismantle,
    saveSnapshot: control.saveSnapshot,
    async close() {
      await simulated?.stop();
      closeNode({ services: true });
      await control.close();
    },
  };
}

/** The machine's own node is called by the host's name unless it was given one. */
export function ownNodeName({ nodeName }: Pick<UpOptions, "nodeName">): string {
  return (nodeName ?? hostname()).toLowerCase();
}

function present(ranges: readonly (string | undefined)[]): string[] {
  return ranges.filter((range) => range !== undefined);
}

function nodeOptions(
  { places, ...options }: UpOptions,
  ranges: Ranges,
  bridgeName: string,
  logger: Logger,
): NodeSideOptions {
  const kubelet = kubeletSettings(options.kubeletConfig && readFileSync(options.kubeletConfig, "utf8"), {
    hard: options.evictionHard,
    soft: options.evictionSoft,
    softGrace: options.evictionSoftGracePeriod,
    transition: options.evictionPressureTransitionPeriod,
  });
  return {
    name: ownNodeName(options),
    ip: nodeAddress(addressIn(ranges.podCidr, 1)),
    dataDir: places.dataDir,
    podCidr: nodeRanges(ranges, 1).podCidr,
    podCidr6: nodeRanges(ranges, 1).podCidr6,
    ip6: ranges.podCidr6 === undefined ? undefined : nodeAddress(addressIn(ranges.podCidr6, 1)),
    clusterCidrs: present([ranges.podCidr, ranges.serviceCidr, ranges.podCidr6, ranges.serviceCidr6]),
    serviceCidrs: present([ranges.serviceCidr, ranges.serviceCidr6]),
    instance: places.instance,
    clusterDns: addressIn(ranges.serviceCidr, DNS_OFFSET),
    clusterDomain: CLUSTER_DOMAIN,
    bridgeName,
    manifestFolder: kubelet.staticPodPath ?? join(places.dataDir, "manifests"),
    labels: parseLabels(options.nodeLabels ?? ""),
    taints: parseTaints(options.nodeTaints ?? ""),
    sharedBy: () => 1,
    kubelet,
    logger,
    ...(options.dns ? { dns: options.dns } : {}),
  };
}

/** Writes the administrator's kubeconfig; the machine's own Gantry is also a context of the user's. Returns that context's name. */
async function writeKubeconfigs(
  { places }: UpOptions,
  control: ControlPlane,
  url: string,
): Promise<string | undefined> {
  const path = places.kubeconfig;
  await mkdir(dirname(path), { recursive: true, mode: 0o755 });
  await writeFile(`${path}.new`, control.kubeconfig(url), { mode: 0o600 });
  await rename(`${path}.new`, path);
  if (places.instance !== "") return undefined;
  const { clusters, users } = await readKubeconfigs([path]);
  const cluster = clusters.get("gantry");
  const user = users.get("gantry");
  if (!cluster || !user) return undefined;
  await writeContext(join(homedir(), ".kube/config"), { name: "gantry", cluster, user });
  return "gantry";
}
