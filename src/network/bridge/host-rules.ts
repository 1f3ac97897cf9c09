/** The rules of an instance's networks and published ports on the host. */
import type { Logger } from "#base/logger.ts";
import type { Change, Nftables, Table } from "#linux/nftables.ts";
import type { BridgeRules, PublishedPort, RuleFamily } from "./rule-model.ts";
import { addNetworkChanges, expectedChains, portChanges, removeNetworkChanges, tableChanges } from "./rule-table.ts";
import { tableKeeper } from "./table-keeper.ts";

export interface HostRules {
  addNetwork(network: BridgeRules): void;
  removeNetwork(id: string): void;
  /** All or none. Throws SyscallError EEXIST when one is published elsewhere. */
  publish(ports: readonly PublishedPort[]): void;
  /** Ports that are not published are passed over. */
  withdraw(ports: readonly PublishedPort[]): void;
  /** Makes the tables anew in one transaction: what else was in them is gone. */
  restore(): void;
  /** Restores when the tables are not what they should be; true when it had to. */
  verify(): boolean;
  /** Removes the tables. */
  remove(): void;
}

/** Rules in the tables `name` of both families. Nothing is touched before `restore`. */
export function hostRules(nft: Nftables, name: string, logger: Logger): HostRules {
  const networks = new Map<string, BridgeRules>();
  const ports = new Map<string, PublishedPort>();
  const whole = (table: Table, family: RuleFamily): Change[] => [
    ...tableChanges(table, family),
    ...Array.from(networks.values()).flatMap((network) => addNetworkChanges(table, family, network)),
    ...portChanges("add", table, family, Array.from(ports.values())),
  ];
  const keeper = tableKeeper(
    nft,
    name,
    { whole, chains: (family) => expectedChains(family, networks.values()) },
    logger,
  );
  /** Changes the model and then the tables; the model goes back when the kernel refuses. */
  const commit = (
    change: () => unknown,
    undo: () => unknown,
    changes: (table: Table, family: RuleFamily) => Change[],
  ): void => {
    keeper.verify();
    change();
    try {
      keeper.apply(changes);
    } catch (error) {
      undo();
      throw error;
    }
  };
  const know = (these: readonly PublishedPort[]): void => these.forEach((port) => ports.set(portKey(port), port));
  const forget = (these: readonly PublishedPort[]): void => these.forEach((port) => ports.delete(portKey(port)));
  return {
    addNetwork: (network) =>
      commit(
        () => networks.set(network.id, network),
        () => networks.delete(network.id),
        (table, family) => addNetworkChanges(table, family, network),
      ),
    removeNetwork(id) {
      const network = networks.get(id);
      if (!network) return;
      commit(
        () => networks.delete(id),
        () => networks.set(id, network),
        (table, family) => removeNetworkChanges(table, family, network),
      );
    },
    publish(added) {
      if (added.length === 0) return;
      commit(
        () => know(added),
        () => forget(added),
        (table, family) => portChanges("add", table, family, added),
      );
    },
    withdraw(removed) {
      const known = removed.filter((port) => ports.has(portKey(port)));
      if (known.length === 0) return;
      commit(
        () => forget(known),
        () => know(known),
        (table, family) => portChanges("delete", table, family, known),
      );
    },
    restore: () => keeper.restore(),
    verify: () => keeper.verify(),
    remove() {
      networks.clear();
      ports.clear();
      keeper.remove();
    },
  };
}

function portKey({ protocol, hostAddress, hostPort }: PublishedPort): string {
  return `${protocol}/${hostAddress}/${hostPort}`;
}
