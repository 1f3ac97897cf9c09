import type { LimitSupport } from "#formats/docker-resources.ts";

/** What the machine is and can, as `docker info` shows it and as requests are checked against. */
export interface Host {
  readonly name: string;
  /** "6.18.44". */
  readonly kernelVersion: string;
  readonly operatingSystem: string;
  readonly osVersion: string;
  /** uname's name of the processor, Go's, and libseccomp's. */
  readonly machine: string;
  readonly goArch: string;
  readonly scmpArch: string;
  readonly memoryBytes: number;
  readonly cgroupVersion: "1" | "2";
  /** "WARNING: No swap limit support", ... */
  readonly limitWarnings: readonly string[];
  readonly limits: LimitSupport;
  readonly appArmor: boolean;
  /** Whether the kernel forwards IPv4 packets now. */
  readonly ipv4Forwarding: () => boolean;
}

/** What the kernel can limit, as the kernel room tells it (linux/cgroup-capabilities.ts). */
export interface KernelLimits {
  readonly version: "1" | "2";
  readonly memoryLimit: boolean;
  readonly swapLimit: boolean;
  readonly memoryReservation: boolean;
  readonly memorySwappiness: boolean;
  readonly oomKillDisable: boolean;
  readonly cpuShares: boolean;
  readonly cpuQuota: boolean;
  readonly cpuRealtime: boolean;
  readonly cpuset: { readonly cpus: string; readonly mems: string } | undefined;
  readonly pidsLimit: boolean;
  readonly blockIoWeight: boolean;
  readonly blockIoThrottle: boolean;
}
