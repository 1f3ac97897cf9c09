import { isGantryError } from "#base/errors.ts";
import type { KubeObject, Typed } from "#formats/kube-object.ts";
import type { KubeClient } from "#kube-client/client.ts";
import type { Expectations } from "./expectations.ts";
import { isRefusal } from "./refusals.ts";

/** Writes of one resource whose answers may be lost: then what is there is asked for before anything else is decided. */
export interface DoubtfulWrites<T extends KubeObject> {
  /** Runs a create or update of the object of that name on behalf of `key`; what was written is expected in the cache. */
  write(key: string, object: T, run: () => Promise<T>): Promise<T>;
  /** Asks the API for what it did in answer to writes that it never answered. Throws when it cannot be asked. */
  settle(key: string): Promise<void>;
  forget(key: string): void;
}

export function doubtfulWrites<T extends KubeObject>(
  client: KubeClient,
  resource: Typed<T>,
  expected: Expectations<T>,
): DoubtfulWrites<T> {
  /** By key, one entry of each object. */
  const doubtful = new Map<string, Map<string, T>>();
  return {
    async write(key, object, run) {
      try {
        const written = await run();
        expected.wrote(key, written);
        return written;
      } catch (error) {
        if (!isRefusal(error)) {
          const objects = doubtful.get(key) ?? new Map<string, T>();
          doubtful.set(key, objects.set(object.metadata.name ?? "", object));
        }
        throw error;
      }
    },
    async settle(key) {
      for (const [name, { metadata }] of doubtful.get(key) ?? []) {
        try {
          expected.wrote(key, await client.get(resource, metadata.namespace, name));
        } catch (error) {
          if (!isGantryError(error, "not-found")) throw error;
        }
        doubtful.get(key)?.delete(name);
      }
      doubtful.delete(key);
    },
    forget: (key) => void doubtful.delete(key),
  };
}
