import { writeFile, mkdir, rename } from "node:fs/promises";
import { homedir, hostname } from "node:os";
import { dirname, join } from "node:path";
import type { Logger } from "#base/logger.ts";
import type { UpOptions } from "#cli/ports.ts";
import { readKubeconfigs, writeContext } from "#kube-client/kubeconfig-file.ts";
import { addressIn, nodeAddress, portRange } from "./addresses.ts";
import type { ContainerSide } from "./container-side.ts";
import { openControlPlane, type ControlPlane } from "./control-plane.ts";
import { nodeReadings } from "./node-readings.ts";
import { openPodNetwork, startNode, type NodeSide, type NodeSideOptions } from "./node-side.ts";
import type { Ranges } from "./ranges.ts";

export interface ClusterSideOptions {
  readonly options: UpOptions;
  readonly ranges: Ranges;
  readonly containers: ContainerSide;
  readonly bridgeName: string;
  readonly logger: Logger;
}

/** The Kubernetes half of a Gantry: control plane and this machine's node. */
export interface ClusterSide {
  readonly url: string;
  readonly kubeconfig: string;
  /** The context's name in the user's own kubeconfig, when it was merged there. */
  readonly context: string | undefined;
  readonly nodeName: string;
  /** Stops the kubelet, the proxy and the name server; pods run on, and with `services` they keep finding each other. */
  closeNode(keep: { readonly services: boolean }): void;
  /** After `closeNode`, when no pod runs any more: what was mounted for them leaves the host. */
  unmountVolumes(): Promise<void>;
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
  logger,
}: ClusterSideOptions): Promise<ClusterSide> {
  const { places } = options;
  const gateway = addressIn(ranges.podCidr, 1);
  const node = nodeOptions(options, ranges, bridgeName, logger);
  const apiAddress = options.apiAddress ?? "127.0.0.1";
  const [podNetwork, control] = await Promise.all([
    openPodNetwork(containers, node),
    openControlPlane({
      dataDir: join(places.dataDir, "cluster"),
      localVolumesDir: join(places.dataDir, "local-path"),
      serviceCidr: ranges.serviceCidr,
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
  let side: NodeSide | undefined;
  try {
    const port = await control.listen(apiAddress, options.apiPort ?? API_PORT);
    // Pods reach the API at their gateway, through the `kubernetes` service.
    await control.listen(gateway, port);
    await control.server.advertise({ address: gateway, port });
    const [, started] = await Promise.all([control.startControl(), startNode(containers, control, podNetwork, node)]);
    side = started;
    control.server.useNodes(started.kubelet.streams);
    control.server.useMetrics(
      nodeReadings({
        informers: control.informers,
        certificates: control.server.certificates,
        local: { name: node.name, usage: started.kubelet.usage },
        logger,
      }),
    );
    const url = `https://${apiAddress}:${port}`;
    const context = await writeKubeconfigs(options, control, url);
    return clusterSide(control, started, { url, kubeconfig: places.kubeconfig, context, nodeName: node.name });
  } catch (error) {
    side?.close({ services: true });
    await control.close();
    throw error;
  }
}

function clusterSide(
  control: ControlPlane,
  node: NodeSide,
  facts: Omit<ClusterSide, "close" | "closeNode" | "unmountVolumes">,
): ClusterSide {
  let closed = false;
  const closeNode: ClusterSide["closeNode"] = (keep) => {
    if (!closed) node.close(keep);
    closed = true;
  };
  return {
    ...facts,
    closeNode,
    unmountVolumes: node.kubelet.unmountVolumes,
    async close() {
      closeNode({ services: true });
      await control.close();
    },
  };
}

function nodeOptions(
  { places, ...options }: UpOptions,
  ranges: Ranges,
  bridgeName: string,
  logger: Logger,
): NodeSideOptions {
  return {
    name: (options.nodeName ?? hostname()).toLowerCase(),
    ip: nodeAddress(addressIn(ranges.podCidr, 1)),
    dataDir: places.dataDir,
    podCidr: ranges.podCidr,
    clusterCidrs: [ranges.podCidr, ranges.serviceCidr],
    serviceCidr: ranges.serviceCidr,
    instance: places.instance,
    clusterDns: addressIn(ranges.serviceCidr, DNS_OFFSET),
    clusterDomain: CLUSTER_DOMAIN,
    bridgeName,
    manifestFolder: join(places.dataDir, "manifests"),
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
