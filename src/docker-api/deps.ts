import type { Clock } from "#base/clock.ts";
import type { Logger } from "#base/logger.ts";
import type { Builder } from "#build/builder.ts";
import type { ContainerFiles } from "#containers/container-files.ts";
import type { Engine } from "#containers/engine.ts";
import type { ImageStore } from "#images/image-store.ts";
import type { Networks } from "#network/networks.ts";
import type { Journal } from "./events/journal.ts";
import type { Host, KernelLimits } from "./host/host.ts";

/** What the API stands on; main/ puts it together. */
export interface DockerApiOptions {
  readonly engine: Engine;
  readonly images: ImageStore;
  readonly networks: Networks;
  /** What the kernel can limit: linux/cgroup-capabilities.ts. */
  readonly limits: KernelLimits;
  /** What it cannot, in Docker's words: `docker info` shows them. */
  readonly limitWarnings: readonly string[];
  readonly clock: Clock;
  readonly logger: Logger;
  /** Gantry's own version. */
  readonly version: string;
  /** Where images and containers live: `docker info` shows it. */
  readonly dataRoot: string;
  /** What need not last over a restart of the machine: in memory on most. */
  readonly runRoot: string;
  /** Mirrors of Docker Hub, and registries that may be insecure: `docker info` shows them. */
  readonly registries?: { readonly mirrors?: readonly string[]; readonly insecure?: readonly string[] };
  /** An id of this installation, stable over restarts. */
  readonly daemonId: string;
}

/** What handlers get. */
export interface Deps extends DockerApiOptions {
  readonly host: Host;
  readonly files: ContainerFiles;
  readonly builder: Builder;
  readonly journal: Journal;
}
