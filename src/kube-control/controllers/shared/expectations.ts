import type { KubeObject } from "#formats/kube-object.ts";
import type { Informer } from "#kube-client/informer.ts";
import type { WorkQueue } from "#kube-client/work-queue.ts";
import { revisionNumber } from "#kube-client/informer.ts";

/**
 * What a controller wrote and its cache may not show yet. It counts and creates nothing while its cache is older than its own last write:
 * so a stale cache never doubles a pod. Revisions of the API grow over all writes, so the last one of each key is enough.
 */
export interface Expectations<T extends KubeObject> {
  /** `object`, as the API answered, was created or changed on behalf of `key`. */
  wrote(key: string, object: T): void;
  /** `object` was asked to be deleted. */
  deleted(key: string, object: T): void;
  /** True when the cache shows everything that was written for `key`. */
  satisfied(key: string): boolean;
  /** Queues keys that wait when the cache was listed anew: what they wait for may have gone again, without an event. The result unsubscribes. */
  requeue(queue: Pick<WorkQueue, "add">): () => void;
  forget(key: string): void;
}

interface Expected {
  revision: number;
  /** By object key: the uid that must go or get a deletion timestamp. */
  readonly deletions: Map<string, string>;
}

/** Expectations over the cache of one informer. Holds an entry for each key with writes outstanding. */
export function expectations<T extends KubeObject>(
  informer: Informer<T>,
  keyOf: (object: T) => string,
): Expectations<T> {
  const expected = new Map<string, Expected>();
  const entry = (key: string): Expected => {
    const known = expected.get(key);
    if (known) return known;
    const made = { revision: 0, deletions: new Map<string, string>() };
    expected.set(key, made);
    return made;
  };
  return {
    wrote(key, object) {
      const wanted = entry(key);
      wanted.revision = Math.max(wanted.revision, revisionNumber(object.metadata.resourceVersion));
    },
    deleted: (key, object) => void entry(key).deletions.set(keyOf(object), object.metadata.uid ?? ""),
    satisfied(key) {
      const wanted = expected.get(key);
      if (!wanted) return true;
      if (informer.revision < wanted.revision) return false;
      for (const [objectKey, uid] of wanted.deletions) {
        const cached = informer.cache.get(objectKey);
        if (cached && cached.metadata.uid === uid && !cached.metadata.deletionTimestamp) return false;
        wanted.deletions.delete(objectKey);
      }
      expected.delete(key);
      return true;
    },
    requeue: (queue) =>
      informer.addHandler({
        replaced() {
          for (const key of expected.keys()) queue.add(key);
        },
      }),
    forget: (key) => void expected.delete(key),
  };
}
