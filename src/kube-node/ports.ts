import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { Clock } from "#base/clock.ts";
import type { Logger } from "#base/logger.ts";
import type { Random } from "#base/random.ts";
import type { Engine, UserNamespaceMaps } from "#containers/engine.ts";
import type { Pod } from "#formats/kube-types.generated.ts";
import type { ImageStore, RootMount } from "#images/image-store.ts";
import type { KubeClient } from "#kube-client/client.ts";
import type { EventRecorder } from "#kube-client/events.ts";
import type { InformerFactory } from "#kube-client/informer-factory.ts";
import type { ShutdownGrace } from "./kubelet-configuration.ts";
import type { EvictionConfig, Pressure } from "./eviction-thresholds.ts";

/** What a node is told about itself and its cluster. */
export interface NodeConfig {
  readonly name: string;
  /** One of several nodes on a machine that is a node itself: it shares the engine, and knows its containers by a label. */
  readonly isFurther?: boolean;
  /** The addresses under which the node is known to the cluster: one, or one of each family, the first being the one that is used. */
  readonly ips: readonly [string, ...string[]];
  readonly labels: Readonly<Record<string, string>>;
  readonly taints: readonly { key: string; value?: string; effect: string }[];
  /** Pods, volumes and logs of this node; 0700. */
  readonly dataDir: string;
  readonly clusterDns: string;
  readonly clusterDomain: string;
  /** The host's resolv.conf: what `dnsPolicy: Default` pods get, and where searches come from. */
  readonly hostResolvConf: string;
  /** One, or one of each family. */
  readonly podCidrs: readonly string[];
  /** Name or id, among the engine's networks, of the pods' network. */
  readonly podNetwork: string;
  /** Where the node's network namespace is mounted, when it is not the machine's own: `hostNetwork` means that one. */
  readonly netns?: string | undefined;
  /** Folder of static pod manifests. */
  readonly manifestFolder?: string;
  readonly maxPods: number;
  /** How long pods may take to end before the node does. */
  readonly shutdown: ShutdownGrace;
  /** When pods are ended because the node runs short of something. */
  readonly eviction: EvictionConfig;
  /** Where its HTTPS API listens; 0: any free port. */
  readonly kubeletPort: number;
  readonly gantryVersion: string;
  readonly kubernetesVersion: string;
}

/** The few things that a kubelet does to the host besides running containers. */
export interface HostPort {
  /** Mounts a tmpfs (emptyDir with medium Memory); `sizeBytes` 0: half of the memory. */
  mountTmpfs(path: string, sizeBytes: number): void;
  /** Mounts an image's files, and nothing that containers need besides, to be read only and not executed. */
  mountImage(path: string, root: RootMount): void;
  /** Whether something is mounted at this directory. */
  isMountPoint(path: string): boolean;
  unmount(path: string): void;
  /** Connects to a TCP port from inside a process's network namespace. */
  dial(pid: number, port: number): Promise<Duplex>;
  /** Begins a TCP connection from the node to an address or name. */
  connect(this: void, host: string, port: number): Promise<Socket>;
  /** A socket that listens on the node, as a descriptor for `listen({fd})`. Throws SyscallError EADDRINUSE, EADDRNOTAVAIL. */
  listen(address: string, port: number): { readonly fd: number; readonly port: number };
  /** Who a process (pid in the host's namespace) runs as; undefined when it is gone. */
  userOf(pid: number): { uid: number; gid: number; supplementalGroups: number[] } | undefined;
  /** Whether the kernel enforces AppArmor profiles. */
  readonly appArmor: boolean;
  /** The lowest oom_score_adj that may be given: -1000, or our own where CAP_SYS_RESOURCE is missing. */
  readonly lowestOomScoreAdj: number;
  /** What the node has: the machine, or its share of it. */
  capacity(): { readonly cpuMillis: number; readonly memoryBytes: number; readonly diskBytes: number };
  /** Whether the kernel counts huge pages: without its controller they are mounted and not limited, as containerd does it. */
  readonly limitsHugePages: boolean;
  /** Huge pages that the kernel has set aside: bytes, by the size of a page in bytes. */
  hugePages(): ReadonlyMap<number, number>;
}

/** Everything that the node's parts stand on. */
export interface NodeDeps {
  /** The node takes no more pods: it is ending those it has. */
  readonly stage: { isShuttingDown: boolean };
  /** What the node is short of now. */
  readonly pressures: Set<Pressure>;
  /** The users of a pod that has its own (`hostUsers: false`). */
  readonly usersOf: (pod: Pod) => UserNamespaceMaps | undefined;
  /** The kubelet pulled an image for a pod. */
  readonly pulled: (imageId: string) => void;
  readonly config: NodeConfig;
  readonly client: KubeClient;
  readonly informers: InformerFactory;
  readonly events: EventRecorder;
  readonly engine: Engine;
  readonly images: ImageStore;
  readonly host: HostPort;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}
