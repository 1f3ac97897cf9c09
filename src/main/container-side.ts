import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "#base/clock.ts";
import type { Logger } from "#base/logger.ts";
import type { Places } from "#base/places.ts";
import { systemRandom } from "#base/random.ts";
import type { Engine, UserNamespaceMaps } from "#containers/engine.ts";
import { openEngine } from "#containers/open-engine.ts";
import type { ImageStore } from "#images/image-store.ts";
import { openImages } from "#images/open-images.ts";
import type { RegistryOptions } from "#images/registry-options.ts";
import { joinedNetworks } from "#network/joined-networks.ts";
import type { Networks } from "#network/networks.ts";
import { openNetworks } from "#network/open-networks.ts";
import { nodeMachines, type NodeMachines } from "./node-machines.ts";

/** What runs containers on this machine: shared by the Docker API and the node's kubelet. */
export interface ContainerSide {
  readonly images: ImageStore;
  readonly networks: Networks;
  readonly engine: Engine;
  /** What further nodes have on this machine. */
  readonly nodes: NodeMachines;
  readonly logger: Logger;
  close(): Promise<void>;
}

export interface ContainerSideOptions {
  readonly bip: string;
  readonly bridgeName: string;
  readonly logger: Logger;
  readonly dns?: readonly string[] | undefined;
  /** For containers that do not ask for the host's users. */
  readonly userNamespace?: UserNamespaceMaps | undefined;
  readonly registries?: RegistryOptions;
  readonly driver?: ImageStore["driver"] | undefined;
  /** Further nodes that were here before: their containers are taken up with the others. */
  readonly nodes: readonly string[];
}

/** Opens images, networks and the engine; containers that run are taken up again. */
export async function openContainerSide(places: Places, options: ContainerSideOptions): Promise<ContainerSide> {
  const { logger } = options;
  for (const directory of [places.dataDir, places.runDir]) mkdirSync(directory, { recursive: true, mode: 0o710 });
  const { dns } = options;
  const [images, own] = await Promise.all([
    openImages({
      dataDir: places.dataDir,
      logger,
      ...(options.registries && { registries: options.registries }),
      ...(options.driver && { driver: options.driver }),
    }),
    openNetworks({
      stateDir: join(places.dataDir, "network"),
      instance: places.instance,
      defaultBridge: { name: options.bridgeName, address: options.bip },
      logger,
      ...(dns ? { hostServers: () => dns } : {}),
    }),
  ]);
  const networks = joinedNetworks(own);
  const nodes = nodeMachines(places, networks, { logger });
  for (const name of options.nodes) await nodes.open(name);
  const engine = await openEngine({
    dataDir: places.dataDir,
    runDir: places.runDir,
    images,
    networks,
    ...(options.userNamespace && { userNamespace: options.userNamespace }),
    clock: systemClock,
    random: systemRandom,
    logger,
  });
  return {
    images,
    networks,
    engine,
    nodes,
    logger,
    async close() {
      await engine.close();
      await nodes.close();
      await networks.close();
      await images.close();
    },
  };
}
