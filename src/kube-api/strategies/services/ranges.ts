// Addresses of services out of the ranges that ServiceCIDR objects name (networking.k8s.io/v1).
import { isGantryError } from "#base/errors.ts";
import type { Random } from "#base/random.ts";
import type { ServiceCIDR } from "#formats/kube-types.generated.ts";
import type { Store, Watch } from "#store/store.ts";
import { documentOf } from "../../registry/document.ts";
import { addressPool, type AddressPool, type IpFamily } from "./addresses.ts";

/** Pools of several ranges; what was given out of one that is no more stays given until it is released. */
export interface RangePool {
  /** The families that addresses are given out of, the default one first. */
  families(): readonly IpFamily[];
  /** The first and the last address of the server's own range. */
  range(family: IpFamily): readonly [string, string];
  take(address: string): boolean;
  takeAny(family: IpFamily): string | undefined;
  release(address: string): void;
  covers(address: string): boolean;
  /** `10.97.0.0/16`: those that addresses are given out of, the server's own besides. What is no range of a fitting size is left out. */
  setRanges(cidrs: readonly string[]): void;
}

/** `own`: one range, or one of each family, the default first. */
export function rangePool(own: readonly string[], random: Random): RangePool {
  const main = own.map((cidr) => addressPool(cidr, random));
  const pools = new Map<string, AddressPool>(own.map((cidr, index) => [cidr, main[index] as AddressPool]));
  let open = main;
  const known = (cidr: string): AddressPool | undefined => {
    try {
      const made = pools.get(cidr) ?? addressPool(cidr, random);
      pools.set(cidr, made);
      return made;
    } catch (error) {
      if (isGantryError(error, "invalid")) return undefined;
      throw error;
    }
  };
  // Ranges may lie within each other: an address that is taken in one is taken in all.
  const has = (address: string): boolean => Array.from(pools.values()).some((pool) => pool.has(address));
  return {
    families: () => Array.from(new Set(main.map(({ family }) => family))),
    range: (wanted) => main.find(({ family }) => family === wanted)?.range ?? ["", ""],
    covers: (address) => open.some((pool) => pool.covers(address)),
    take: (address) => !has(address) && open.some((pool) => pool.take(address)),
    takeAny(wanted) {
      for (const pool of open.filter(({ family }) => family === wanted)) {
        for (let address = pool.takeAny(); address !== undefined; address = pool.takeAny()) {
          const taken = address;
          const elsewhere = Array.from(pools.values()).some((other) => other !== pool && other.has(taken));
          if (!elsewhere) return address;
        }
      }
      return undefined;
    },
    release(address) {
      for (const pool of pools.values()) pool.release(address);
    },
    setRanges(cidrs) {
      const others = Array.from(new Set(cidrs)).filter((cidr) => !own.includes(cidr));
      open = [...main, ...others.flatMap((cidr) => known(cidr) ?? [])];
    },
  };
}

/** Keeps the pool's ranges as the ServiceCIDR objects below `prefix` say. A range that is being deleted gives nothing out. */
export async function followRanges(store: Store, prefix: string, pool: RangePool): Promise<Watch> {
  const cidrs = new Map<string, readonly string[]>();
  const take = (key: string, object: ServiceCIDR | undefined): void => {
    const usable = object && !object.metadata.deletionTimestamp;
    if (usable) cidrs.set(key, object.spec?.cidrs ?? []);
    else cidrs.delete(key);
    pool.setRanges(Array.from(cidrs.values()).flat());
  };
  const { items, revision } = await store.range(prefix);
  for (const entry of items) take(entry.key, documentOf(entry).object);
  return store.watch(prefix, revision, (events) => {
    for (const { key, current } of events) take(key, current ? documentOf(current).object : undefined);
  });
}
