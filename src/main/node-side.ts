import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "#base/clock.ts";
import type { Logger } from "#base/logger.ts";
import { systemRandom } from "#base/random.ts";
import { ALL_CAPABILITIES } from "#formats/docker-capabilities.ts";
import { eventRecorder } from "#kube-client/events.ts";
import { DNS_SERVICE, startClusterDns } from "#kube-node/cluster-dns.ts";
import type { KubeletSettings } from "#kube-node/kubelet-configuration.ts";
import { startKubelet, type Kubelet } from "#kube-node/kubelet.ts";
import { startPolicies } from "#kube-node/policies.ts";
import { startProxy } from "#kube-node/proxy.ts";
import { streamUpgrades } from "#kube-api/stream-upgrades.ts";
import { VERSION } from "#kube-api/version.ts";
import { clientOver, type ApiLink } from "#kube-node/api-link.ts";
import { openListener } from "#linux/inet-sockets.ts";
import { withinNetns } from "#network/within.ts";
import type { Networks } from "#network/networks.ts";
import { ensurePodNetwork, type PodNetworkOptions } from "#network/pod-network.ts";
import type { ContainerSide } from "./container-side.ts";
import type { ControlPlane } from "./control-plane.ts";
import { grantable, hostPort } from "./host-port.ts";
import type { NodeMachine } from "./node-machines.ts";
import type { NodeTaint } from "./node-records.ts";
import { readdressNode } from "./readdress-node.ts";
import { gantryVersion } from "./version.ts";

export interface NodeSideOptions {
  readonly name: string;
  readonly ip: string;
  readonly dataDir: string;
  readonly podCidr: string;
  /** With two families. */
  readonly ip6?: string | undefined;
  readonly podCidr6?: string | undefined;
  readonly clusterCidrs: readonly string[];
  /** One, or one of each family. */
  readonly serviceCidrs: readonly string[];
  readonly instance: string;
  /** Name servers that the cluster's own forwards to; the host's by default. */
  readonly dns?: readonly string[];
  readonly clusterDns: string;
  readonly clusterDomain: string;
  readonly bridgeName: string;
  readonly manifestFolder?: string | undefined;
  readonly labels: Readonly<Record<string, string>>;
  readonly taints: readonly NodeTaint[];
  readonly kubelet: KubeletSettings;
  /** Among how many nodes the machine is shared now. */
  readonly sharedBy: () => number;
  /** What is the machine to a further node; undefined: the node is this machine. */
  readonly machine?: NodeMachine;
  /** The node's way to the API server, when it can be cut. */
  readonly link?: ApiLink;
  readonly logger: Logger;
}

/** This machine's node: kubelet, service proxy and name server. */
export interface NodeSide {
  readonly kubelet: Kubelet;
  /** With `services`, their rules stay on the host for pods that run on. */
  close(keep: { readonly services: boolean }): void;
}

const KUBELET_PORT = 10250;

/** Makes the pods' network: before the API server listens on its gateway. */
export async function openPodNetwork(networks: Networks, options: PodNetworkOptions): Promise<string> {
  return (await ensurePodNetwork(networks, options)).id;
}

/** Starts the node; resolves when it is Ready. */
export async function startNode(
  containers: ContainerSide,
  control: ControlPlane,
  podNetwork: string,
  options: NodeSideOptions,
): Promise<NodeSide> {
  const [kubelet, services] = await Promise.all([
    kubeletOf(containers, control, podNetwork, options),
    startServices(containers, control, podNetwork, options),
  ]);
  return {
    kubelet,
    close(keep) {
      kubelet.close();
      services.close(keep);
    },
  };
}

/** The name server, and the proxy that leads the cluster's address of it, and every service's, to their endpoints. */
async function startServices(
  { engine, networks }: ContainerSide,
  { clientFor, informers }: ControlPlane,
  podNetwork: string,
  options: NodeSideOptions,
): Promise<Pick<NodeSide, "close">> {
  const { name, instance, clusterDomain, clusterDns, clusterCidrs, serviceCidrs, bridgeName, dns: upstreams } = options;
  const parts = { informers, clock: systemClock, random: systemRandom };
  const dns = await startClusterDns({
    ...parts,
    client: clientFor({ name: "system:gantry:cluster-dns", groups: ["system:masters", "system:authenticated"] }),
    clusterDomain,
    clusterDns,
    listenAddress: networks.find(podNetwork)?.ipam[0]?.gateway ?? "127.0.0.1",
    netns: options.machine?.netns,
    upstreams: upstreams && (() => upstreams),
    logger: options.logger.child({ component: "cluster-dns" }),
  });
  const proxy = await startProxy({
    ...parts,
    nodeName: name,
    instance,
    podRanges: clusterCidrs.filter((range) => !serviceCidrs.includes(range)),
    hostRoutes: serviceCidrs.map((range) => ({ range, bridge: bridgeName })),
    ownEndpoints: new Map([[DNS_SERVICE, dns.endpoint]]),
    netns: options.machine?.netns,
    listen: (port) =>
      withinNetns(options.machine?.netns)(() =>
        openListener({ protocol: "tcp", address: serviceCidrs.length > 1 ? "::" : "0.0.0.0", port }),
      ),
    link: options.link,
    logger: options.logger.child({ component: "proxy" }),
  });
  const policies = await startPolicies({
    ...parts,
    engine,
    nodeName: name,
    isFurther: options.machine !== undefined,
    instance,
    netns: options.machine?.netns,
    link: options.link,
    logger: options.logger.child({ component: "network-policies" }),
  });
  return {
    close(keep) {
      if (!keep.services) {
        policies.remove();
        proxy.remove();
      }
      policies.close();
      proxy.close();
      dns.close();
    },
  };
}

async function kubeletOf(
  containers: ContainerSide,
  control: ControlPlane,
  podNetwork: string,
  options: NodeSideOptions,
): Promise<Kubelet> {
  const { name, dataDir, logger } = options;
  if (options.manifestFolder !== undefined) mkdirSync(options.manifestFolder, { recursive: true, mode: 0o700 });
  const direct = control.clientFor({ name: `system:node:${name}`, groups: ["system:nodes", "system:authenticated"] });
  const client = options.link ? clientOver(options.link, direct) : direct;
  const podCidrs = (containers.networks.find(podNetwork)?.ipam ?? []).map(({ subnet }) => subnet);
  await readdressNode(control.client, name, podCidrs);
  return startKubelet({
    config: {
      name,
      ips: [options.ip, ...(options.ip6 === undefined ? [] : [options.ip6])],
      isFurther: options.machine !== undefined,
      labels: options.labels,
      taints: options.taints,
      netns: options.machine?.netns,
      dataDir: join(dataDir, "kubelet"),
      clusterDns: options.clusterDns,
      clusterDomain: options.clusterDomain,
      hostResolvConf: existsSync("/etc/resolv.conf") ? readFileSync("/etc/resolv.conf", "utf8") : "",
      podCidrs,
      podNetwork,
      ...(options.manifestFolder === undefined ? {} : { manifestFolder: options.manifestFolder }),
      maxPods: options.kubelet.maxPods,
      shutdown: options.kubelet.shutdown,
      eviction: options.kubelet.eviction,
      // Another root's node leaves the known port to the machine's own.
      kubeletPort: options.instance === "" || options.machine ? KUBELET_PORT : 0,
      gantryVersion: gantryVersion(),
      kubernetesVersion: VERSION.gitVersion,
    },
    client,
    informers: control.informers,
    events: eventRecorder({ client, clock: systemClock, logger, component: "kubelet", host: name }),
    engine: containers.engine,
    images: containers.images,
    host: hostPort({ dataDir, netns: options.machine?.netns, sharedBy: options.sharedBy }),
    clock: systemClock,
    random: systemRandom,
    logger: logger.child({ component: "kubelet" }),
    allCapabilities: grantable(ALL_CAPABILITIES),
    streamUpgrades,
    tls: {
      ...control.server.certificates.serving(
        `system:node:${name}`,
        ["system:nodes"],
        [name, options.ip, "127.0.0.1", ...(options.ip6 === undefined ? [] : [options.ip6])],
      ),
      clientCa: control.server.certificates.caCert,
    },
  });
}
