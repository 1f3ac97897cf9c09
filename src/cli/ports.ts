import type { Places } from "#base/places.ts";
import type { SchedulingPorts } from "./scheduling-ports.ts";

/** What `gantry up` may be told. Undefined: the default that `main/` chooses for the root. */
export interface UpOptions {
  readonly places: Places;
  readonly root?: string;
  /** The docker0-like bridge's address and subnet: 172.17.0.1/16. */
  readonly bip?: string;
  readonly podCidr?: string;
  readonly serviceCidr?: string;
  readonly apiAddress?: string;
  readonly apiPort?: number;
  readonly nodePorts?: string;
  readonly nodeName?: string;
  /** At least so many nodes; those of earlier starts are there as well. */
  readonly nodes?: number;
  /** Nodes without machines, `simulated-1` and so on; their pods run without containers. */
  readonly simulatedNodes?: number;
  /** Of nodes that this start makes: `zone=a,disk=ssd`, `key=value:NoSchedule`. */
  readonly nodeLabels?: string;
  readonly nodeTaints?: string;
  /** The kubelet's thresholds: `memory.available<100Mi,nodefs.available<10%`; times: `memory.available=1m30s`. */
  readonly evictionHard?: string;
  readonly evictionSoft?: string;
  readonly evictionSoftGracePeriod?: string;
  readonly evictionPressureTransitionPeriod?: string;
  /** A file with a KubeletConfiguration, for all nodes of this machine. */
  readonly kubeletConfig?: string;
  /** Addresses of further nodes. */
  readonly nodeCidr?: string;
  /** Only the Docker side, only the Kubernetes side, or both. */
  readonly docker: boolean;
  readonly kubernetes: boolean;
  readonly logLevel: string;
  readonly dns?: readonly string[];
  /** Whose subordinate ids Docker containers get: `default`, or a user (name or id), with `:group`. */
  readonly usernsRemap?: string;
  /** How containers get their root: overlay2, btrfs, vfs. */
  readonly storageDriver?: string;
  /** Where the built-in registry listens: `127.0.0.1:5000`, or `none`. */
  readonly registryListen?: string;
  /** Where Docker Hub's images are asked for first. */
  readonly registryMirror?: readonly string[];
  /** Registries that may speak plain HTTP or show any certificate. */
  readonly insecureRegistry?: readonly string[];
  /** A folder of certificates for each registry, as Docker's /etc/docker/certs.d. */
  readonly registryCerts?: string;
}

/** A node on this machine, as `gantry node list` shows it. */
export interface NodeInfo {
  readonly name: string;
  readonly ip: string;
  readonly podCidr: string;
  readonly state: "running" | "stopped" | "partitioned";
  /** The machine itself, with the API server on it. */
  readonly isOwn: boolean;
}

export interface NodeAddition {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly taints: readonly { readonly key: string; readonly value?: string; readonly effect: string }[];
}

export interface StopOptions {
  /** Whether containers and pods are stopped as well. */
  readonly containers: boolean;
  /** The longest that one of them may take before it is killed; 10 by default. */
  readonly timeoutSeconds?: number;
}

/** A started Gantry, as its own process sees it. */
export interface RunningGantry {
  readonly status: GantryStatus;
  /** Stops it; with `containers`, everything that it runs too. */
  stop(options: StopOptions): Promise<void>;
  /** Resolves when it was stopped through its control socket. */
  readonly stopped: Promise<void>;
}

export interface GantryStatus {
  readonly pid: number;
  readonly version: string;
  readonly startedAt: number;
  /** From the process's start to both APIs answering, in milliseconds. */
  readonly startupMs: number;
  readonly dockerSocket?: string;
  /** Set when `/var/run/docker.sock` leads here as well. */
  readonly defaultDockerSocket?: string;
  readonly apiServer?: string;
  readonly kubeconfig?: string;
  readonly context?: string;
  readonly nodeName?: string;
  readonly containersRunning: number;
  readonly residentBytes: number;
}

/** What `gantry registry` may be told; paths are absolute. */
export interface RegistryServing {
  readonly host: string;
  readonly port: number;
  readonly tls?: { readonly cert: string; readonly key: string };
  readonly htpasswd?: string;
}

export interface CliPorts extends SchedulingPorts {
  readonly version: string;
  start(options: UpOptions): Promise<RunningGantry>;
  /** Serves a registry on the images of these places, which no Gantry has open. */
  serveRegistry(
    places: Places,
    serving: RegistryServing,
  ): Promise<{ readonly url: string; readonly ended: Promise<void>; close(): Promise<void> }>;
  /** Makes a snapshot the cluster's state. Throws `conflict` while Gantry runs. */
  restoreSnapshot(places: Places, file: string): Promise<void>;
  readonly out: NodeJS.WriteStream;
  readonly err: NodeJS.WriteStream;
}
