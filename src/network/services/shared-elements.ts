/** Who wants which element of the shared sets: several services may want the same one, the first gets it. Pure. */
import type { Element } from "#linux/nftables.ts";
import type { SharedSet } from "./service-table.ts";

export interface ElementChange {
  readonly set: SharedSet;
  readonly element: Element;
}

export interface SharedElements {
  want(owner: string, set: SharedSet, element: Element): void;
  unwant(owner: string, set: SharedSet, element: Element): void;
  /** What has changed since the last call: deletions come before additions. */
  takeChanges(): { readonly deleted: readonly ElementChange[]; readonly added: readonly ElementChange[] };
  /** Everything that is in the sets. */
  all(): readonly ElementChange[];
}

interface Slot {
  readonly set: SharedSet;
  wanted: { readonly owner: string; readonly element: Element }[];
  /** What is in the kernel. */
  present: Element | undefined;
}

export function sharedElements(): SharedElements {
  const slots = new Map<string, Slot>();
  const touched = new Set<string>();
  const slotOf = (set: SharedSet, element: Element): Slot => {
    const key = `${set} ${element.key.join(" ")}`;
    touched.add(key);
    const found = slots.get(key) ?? { set, wanted: [], present: undefined };
    slots.set(key, found);
    return found;
  };
  return {
    want: (owner, set, element) => void slotOf(set, element).wanted.push({ owner, element }),
    unwant(owner, set, element) {
      const slot = slotOf(set, element);
      const index = slot.wanted.findIndex((each) => each.owner === owner);
      if (index >= 0) slot.wanted.splice(index, 1);
    },
    takeChanges() {
      const deleted: ElementChange[] = [];
      const added: ElementChange[] = [];
      for (const key of touched) {
        const slot = slots.get(key);
        if (!slot) continue;
        const next = slot.wanted[0]?.element;
        if (!sameElement(slot.present, next)) {
          if (slot.present) deleted.push({ set: slot.set, element: slot.present });
          if (next) added.push({ set: slot.set, element: next });
        }
        slot.present = next;
        if (!next) slots.delete(key);
      }
      touched.clear();
      return { deleted, added };
    },
    all: () => Array.from(slots.values()).flatMap(({ set, present }) => (present ? [{ set, element: present }] : [])),
  };
}

function sameElement(a: Element | undefined, b: Element | undefined): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b);
}
