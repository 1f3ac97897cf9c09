/** Keeps an instance's tables on the host as the model says, and puts them back when somebody flushed them. */
import { isSyscallError } from "#linux/syscalls.ts";
import { change, type Change, type Nftables, type Table } from "#linux/nftables.ts";
import type { Logger } from "#base/logger.ts";
import { RULE_FAMILIES, type BridgeRules, type PublishedPort, type RuleFamily } from "./rule-model.ts";
import { addNetworkChanges, expectedChains, portChanges, removeNetworkChanges, tableChanges } from "./rule-table.ts";

export interface HostRules {
  addNetwork(network: BridgeRules): void;
  removeNetwork(id: string): void;
  /** All or none. Throws SyscallError EEXIST when one is published elsewhere. */
  publish(ports: readonly PublishedPort[]): void;
  /** Ports that are not published are passed over. */
  withdraw(ports: readonly PublishedPort[]): void;
  /** Makes the tables anew from the model in one transaction: what else was in them is gone. */
  restore(): void;
  /** Restores when the tables are not what they should be; true when it had to. */
  verify(): boolean;
  /** Removes the tables. */
  remove(): void;
}

/** Rules in the tables `name` of both families. Nothing is touched before the first call. */
export function hostRules(nft: Nftables, name: string, logger: Logger): HostRules {
  const networks = new Map<string, BridgeRules>();
  const ports = new Map<string, PublishedPort>();
  /** The ruleset's generation after our last transaction: while it stands, nobody has touched anything. */
  let generation = -1;

  const everything = (): Change[] =>
    RULE_FAMILIES.flatMap((family) => {
      const table: Table = { family, name };
      return [
        ...tableChanges(table, family),
        ...Array.from(networks.values()).flatMap((network) => addNetworkChanges(table, family, network)),
        ...portChanges("add", table, family, Array.from(ports.values())),
      ];
    });
  const apply = (changes: readonly Change[]): void => {
    nft.apply(changes);
    generation = nft.generation();
  };
  const restore = (): void => apply(everything());
  const intact = (): boolean =>
    RULE_FAMILIES.every((family) =>
      sameChains(nft.chains({ family, name }), expectedChains(family, networks.values())),
    );
  const verify = (): boolean => {
    if (generation === nft.generation()) return false;
    if (intact()) {
      generation = nft.generation();
      return false;
    }
    logger.warn({ table: name }, "the firewall rules were changed by somebody else: putting them back");
    restore();
    return true;
  };
  /** Changes the model and then the tables; the model goes back when the kernel refuses. */
  const commit = (
    change: { readonly model: () => void; readonly undo: () => void },
    changes: (table: Table, family: RuleFamily) => Change[],
  ): void => {
    verify();
    change.model();
    try {
      apply(RULE_FAMILIES.flatMap((family) => changes({ family, name }, family)));
    } catch (error) {
      if (isSyscallError(error, "ENOENT")) return restore();
      change.undo();
      throw error;
    }
  };
  const know = (these: readonly PublishedPort[]): void => these.forEach((port) => ports.set(portKey(port), port));
  const forget = (these: readonly PublishedPort[]): void => these.forEach((port) => ports.delete(portKey(port)));
  return {
    addNetwork(network) {
      commit(
        { model: () => networks.set(network.id, network), undo: () => networks.delete(network.id) },
        (table, family) => addNetworkChanges(table, family, network),
      );
    },
    removeNetwork(id) {
      const network = networks.get(id);
      if (!network) return;
      commit({ model: () => networks.delete(id), undo: () => networks.set(id, network) }, (table, family) =>
        removeNetworkChanges(table, family, network),
      );
    },
    publish(added) {
      if (added.length > 0) commit({ model: () => know(added), undo: () => forget(added) }, portsChange("add", added));
    },
    withdraw(removed) {
      const known = removed.filter((port) => ports.has(portKey(port)));
      if (known.length > 0)
        commit({ model: () => forget(known), undo: () => know(known) }, portsChange("delete", known));
    },
    restore,
    verify,
    remove() {
      networks.clear();
      ports.clear();
      nft.apply(
        RULE_FAMILIES.flatMap((family) => [change.addTable({ family, name }), change.deleteTable({ family, name })]),
      );
    },
  };
}

function portsChange(what: "add" | "delete", ports: readonly PublishedPort[]) {
  return (table: Table, family: RuleFamily): Change[] => portChanges(what, table, family, ports);
}

function portKey({ protocol, hostAddress, hostPort }: PublishedPort): string {
  return `${protocol}/${hostAddress}/${hostPort}`;
}

function sameChains(found: ReadonlyMap<string, number> | undefined, expected: ReadonlyMap<string, number>): boolean {
  return (
    found !== undefined &&
    found.size === expected.size &&
    Array.from(expected).every(([chain, rules]) => found.get(chain) === rules)
  );
}
