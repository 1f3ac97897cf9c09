import type { Places } from "#base/places.ts";

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
  /** Only the Docker side, only the Kubernetes side, or both. */
  readonly docker: boolean;
  readonly kubernetes: boolean;
  readonly logLevel: string;
  readonly dns?: readonly string[];
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

export interface CliPorts {
  readonly version: string;
  start(options: UpOptions): Promise<RunningGantry>;
  readonly out: NodeJS.WriteStream;
  readonly err: NodeJS.WriteStream;
}
