// Addresses of services out of the ranges that ServiceCIDR objects name (networking.k8s.io/v1).
import { isGantryError } from "#base/errors.ts";
import type { Random } from "#base/random.ts";
import type { ServiceCIDR } from "#formats/kube-types.generated.ts";
import type { Store, Watch } from "#store/store.ts";
import { documentOf } from "../../registry/document.ts";
import { addressPool } from "./addresses.ts";
import type { Pool } from "./pool.ts";

/** A pool of several ranges; what was given out of one that is no more stays given until it is released. */
export interface RangePool extends Pool {
  /** `10.97.0.0/16`: those that addresses are given out of, the server's own besides. What is no IPv4 range of a fitting size is left out. */
  setRanges(cidrs: readonly string[]): void;
}

export function rangePool(own: string, random: Random): RangePool {
  const main = addressPool(own, random);
  const pools = new Map<string, Pool>([[own, main]]);
  let open = [main];
  const known = (cidr: string): Pool | undefined => {
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
  const has = (value: number): boolean => Array.from(pools.values()).some((pool) => pool.has(value));
  return {
    low: main.low,
    high: main.high,
    has,
    covers: (value) => open.some((pool) => pool.covers(value)),
    take: (value) => !has(value) && open.some((pool) => pool.take(value)),
    takeAny() {
      for (const pool of open) {
        for (let value = pool.takeAny(); value !== undefined; value = pool.takeAny()) {
          const elsewhere = Array.from(pools.values()).some((other) => other !== pool && other.has(value));
          if (!elsewhere) return value;
        }
      }
      return undefined;
    },
    release(value) {
      for (const pool of pools.values()) pool.release(value);
    },
    setRanges(cidrs) {
      const others = Array.from(new Set(cidrs)).filter((cidr) => cidr !== own);
      open = [main, ...others.flatMap((cidr) => known(cidr) ?? [])];
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
