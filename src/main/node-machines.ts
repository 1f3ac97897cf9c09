import { mkdirSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { errorText } from "#base/errors.ts";
import type { Logger } from "#base/logger.ts";
import type { Places } from "#base/places.ts";
import { ensureNetns, removeNetns } from "#linux/netns.ts";
import type { JoinedNetworks } from "#network/joined-networks.ts";
import type { Networks } from "#network/networks.ts";
import { routeToNode } from "#network/node-routes.ts";
import { openNetworks } from "#network/open-networks.ts";
import { ensureNodeNetwork, NODE_NETWORK } from "#network/pod-network.ts";

/** What is a machine to a further node: a network namespace with networks of its own, and a cable to this machine. */
export interface NodeMachine {
  readonly name: string;
  /** Where its network namespace is mounted. */
  readonly netns: string;
  readonly dataDir: string;
  readonly networks: Networks;
}

export interface NodeMachines {
  get(name: string): NodeMachine | undefined;
  /** Makes it, or finds it as it was before a restart of Gantry. */
  open(name: string): Promise<NodeMachine>;
  /** Gives it its address and the way to the others. Idempotent. */
  connect(machine: NodeMachine, cable: Cable): Promise<void>;
  /** Pulls its cable, or puts it back. */
  setCut(name: string, isCut: boolean): void;
  /** Takes the cable away for good; the rest goes when it is closed without containers. */
  disconnect(name: string): Promise<void>;
  /** Removes it and its files. Its containers have to be gone. */
  remove(name: string): Promise<void>;
  /** Those without containers leave nothing on the host. Before the machine's own networks are closed. */
  close(): Promise<void>;
}

export interface Cable {
  readonly ip: string;
  readonly podCidr: string;
  readonly nodeCidr: string;
  /** With two families. */
  readonly ip6?: string | undefined;
  readonly podCidr6?: string | undefined;
  readonly nodeCidr6?: string | undefined;
  readonly clusterCidrs: readonly string[];
  readonly bridgeName: string;
}

export function nodeMachines(
  places: Places,
  own: JoinedNetworks,
  options: { logger: Logger; hostServers?: () => readonly string[] },
): NodeMachines {
  const machines = new Map<string, NodeMachine>();
  const ownerOf = (name: string): string => `node/${name}`;
  const disconnect = async (name: string): Promise<void> => {
    const network = own.find(NODE_NETWORK);
    if (network) await own.detach(ownerOf(name), network.id);
  };
  const closeOne = async (machine: NodeMachine): Promise<void> => {
    own.part(ownerOf(machine.name));
    const empty = machine.networks.endpoints({}).length === 0;
    if (empty) await disconnect(machine.name);
    await machine.networks.close();
    if (empty) removeNetns(machine.netns);
    machines.delete(machine.name);
  };
  return {
    get: (name) => machines.get(name),
    async open(name) {
      const found = machines.get(name);
      if (found) return found;
      const netns = join(places.runDir, "nodes", `${name}.net`);
      const dataDir = join(places.dataDir, "nodes", name);
      mkdirSync(dataDir, { recursive: true, mode: 0o710 });
      ensureNetns(netns);
      const { logger } = options;
      const networks = await openNetworks({
        stateDir: join(dataDir, "network"),
        instance: places.instance,
        netns,
        logger: logger.child({ node: name }),
      });
      own.join(ownerOf(name), networks);
      const machine = { name, netns, dataDir, networks };
      machines.set(name, machine);
      return machine;
    },
    async connect({ name, netns }, cable) {
      const network = await ensureNodeNetwork(own, cable);
      const owner = ownerOf(name);
      if (own.endpoints({ owner, networkId: network.id }).length === 0)
        await own.attach({
          owner,
          name,
          networkId: network.id,
          pid: 0,
          netnsPath: netns,
          interfaceName: "eth0",
          ipv4: cable.ip,
          ...(cable.ip6 === undefined ? {} : { ipv6: cable.ip6 }),
          aliases: [],
          ports: [],
          defaultGateway: true,
        });
      routeToNode(cable.podCidr, cable.ip, cable.bridgeName);
      if (cable.podCidr6 !== undefined && cable.ip6 !== undefined)
        routeToNode(cable.podCidr6, cable.ip6, cable.bridgeName);
    },
    setCut: (name, isCut) => own.setCut(ownerOf(name), isCut),
    disconnect,
    async remove(name) {
      const machine = machines.get(name);
      if (!machine) return;
      await closeOne(machine);
      await rm(machine.dataDir, { recursive: true, force: true });
    },
    async close() {
      for (const machine of Array.from(machines.values())) {
        await closeOne(machine).catch((error: unknown) =>
          options.logger.error({ node: machine.name, error: errorText(error) }, "a node's networks not closed cleanly"),
        );
      }
    },
  };
}
