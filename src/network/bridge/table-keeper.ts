/** Keeps a table of both families as a model says: changes by transaction, and puts it back when somebody flushed it. */
import type { Logger } from "#base/logger.ts";
import { change, type Change, type Nftables, type Table } from "#linux/nftables.ts";
import { isSyscallError } from "#linux/syscalls.ts";
import { RULE_FAMILIES, type RuleFamily } from "./rule-model.ts";

export interface TableModel {
  /** The changes that make the whole table anew, whatever was there. */
  whole(table: Table, family: RuleFamily): Change[];
  /** The chains that the table has then, and how many rules each. */
  chains(family: RuleFamily): ReadonlyMap<string, number>;
}

export interface TableKeeper {
  /** Applies what leads to the model as it is now. A table that is not as it was left is made anew instead. */
  apply(changes: (table: Table, family: RuleFamily) => Change[]): void;
  restore(): void;
  /** Restores when the table is not what it should be; true when it had to. Nothing before the first `restore`. */
  verify(): boolean;
  remove(): void;
}

export function tableKeeper(nft: Nftables, name: string, model: TableModel, logger: Logger): TableKeeper {
  /** The ruleset's generation after our last transaction: while it stands, nobody has touched anything. */
  let generation: number | undefined;
  const each = (changes: (table: Table, family: RuleFamily) => Change[]): Change[] =>
    RULE_FAMILIES.flatMap((family) => changes({ family, name }, family));
  const commit = (changes: readonly Change[]): void => {
    nft.apply(changes);
    generation = nft.generation();
  };
  const restore = (): void => commit(each(model.whole));
  const intact = (): boolean =>
    RULE_FAMILIES.every((family) => sameChains(nft.chains({ family, name }), model.chains(family)));
  return {
    apply(changes) {
      if (generation === undefined) return restore();
      try {
        commit(each(changes));
      } catch (error) {
        if (!isSyscallError(error, "ENOENT")) throw error;
        restore();
      }
    },
    restore,
    verify() {
      if (generation === undefined || generation === nft.generation()) return false;
      if (intact()) {
        generation = nft.generation();
        return false;
      }
      logger.warn({ table: name }, "the firewall rules were changed by somebody else: putting them back");
      restore();
      return true;
    },
    remove() {
      nft.apply(each((table) => [change.addTable(table), change.deleteTable(table)]));
      generation = undefined;
    },
  };
}

function sameChains(found: ReadonlyMap<string, number> | undefined, expected: ReadonlyMap<string, number>): boolean {
  return (
    found !== undefined &&
    found.size === expected.size &&
    Array.from(expected).every(([chain, rules]) => found.get(chain) === rules)
  );
}
