import type { Clock } from "#base/clock.ts";
import { errorText, GantryError, isGantryError } from "#base/errors.ts";
import type { Logger } from "#base/logger.ts";
import type { Random } from "#base/random.ts";
import { objectKey, type KubeObject, type Typed } from "#formats/kube-object.ts";
import { backoff } from "./backoff.ts";
import type { KubeClient, ObjectList, Selectors, WatchEvent } from "./client.ts";
import { indexedStore, type IndexFunction, type ObjectCache } from "./indexed-store.ts";
import { waitFor } from "./wait.ts";

/** Told of every change, in order, synchronously. What a handler throws is logged and stops nothing. */
export interface Handler<T> {
  add?(object: T): void;
  update?(before: T, after: T): void;
  /** `last` is the last state seen; after missed events it may be older than the deletion. */
  delete?(last: T): void;
  /** The cache was listed anew: what came and went in between was told of by no event. */
  replaced?(): void;
}

/** A live copy of one resource: listed once, then kept by watch, without managedFields. It never stops by itself. */
export interface Informer<T extends KubeObject> {
  readonly resource: Typed<T>;
  readonly cache: ObjectCache<T>;
  /** The revision that the cache has reached; 0 before the first list. */
  readonly revision: number;
  readonly synced: boolean;
  /** Resolves after the first list has been delivered to the handlers; rejects when stopped before. */
  whenSynced(): Promise<void>;
  /** Adds an index, over what is there and what comes. */
  addIndex(name: string, index: IndexFunction<T>): void;
  /** Subscribes: `add` for each object already there, then changes. The result unsubscribes. */
  addHandler(handler: Handler<T>): () => void;
  start(): void;
  stop(): void;
}

export interface InformerOptions {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: Random;
  readonly selectors?: Selectors;
}

/** As client-go's reflector: retries after 0.8 s, doubling to 30 s, with jitter. */
const RETRY = { initialMs: 800, maxMs: 30_000, jitter: 1 };
/** A watch that ended within this time counts as a failure. */
const SHORT_WATCH_MS = 1000;

/** The number in a resource version; they grow with every change (Kubernetes 1.35: comparable resource versions). */
export function revisionNumber(resourceVersion: string | undefined): number {
  const revision = Number(resourceVersion);
  return Number.isFinite(revision) ? revision : 0;
}

/** Makes an informer of `resource`; nothing happens until `start`. */
export function informer<T extends KubeObject>(resource: Typed<T>, options: InformerOptions): Informer<T> {
  const { client, clock, random, selectors } = options;
  const logger = options.logger.child({ resource: resource.resource });
  const view = informerView<T>(logger);
  const stopping = new AbortController();
  const firstList = Promise.withResolvers<void>();
  firstList.promise.catch(() => undefined);
  let started = false;

  const list = async (): Promise<void> => {
    view.replace(await client.list(resource, selectors));
    firstList.resolve();
  };
  const watch = async (): Promise<void> => {
    const stream = client.watch(resource, {
      ...selectors,
      resourceVersion: view.resourceVersion,
      signal: stopping.signal,
    });
    for await (const event of stream) view.apply(event);
  };
  const run = async (): Promise<void> => {
    const retry = backoff(RETRY, random);
    let mustList = true;
    while (!stopping.signal.aborted) {
      const since = clock.now();
      try {
        if (mustList) await list();
        mustList = false;
        await watch();
      } catch (error) {
        mustList ||= isGantryError(error, "gone");
        if (!stopping.signal.aborted) logger.debug({ error: errorText(error) }, "list or watch failed; trying again");
      }
      if (clock.now() - since >= SHORT_WATCH_MS) retry.reset();
      else await waitFor(clock, retry.next(), stopping.signal);
    }
  };

  return {
    resource,
    cache: view.store,
    get revision() {
      return revisionNumber(view.resourceVersion);
    },
    get synced() {
      return view.resourceVersion !== "";
    },
    whenSynced: () => firstList.promise,
    addIndex: view.store.addIndex,
    addHandler: view.addHandler,
    start() {
      if (started) return;
      started = true;
      void run();
    },
    stop() {
      stopping.abort();
      firstList.reject(new GantryError("cancelled", `informer of ${resource.resource} stopped before its first list`));
    },
  };
}

/** The cache with its handlers: turns lists and watch events into add, update and delete. */
function informerView<T extends KubeObject>(logger: Logger) {
  const store = indexedStore<T>();
  const handlers = new Set<Handler<T>>();
  let resourceVersion = "";
  const tell = (run: (handler: Handler<T>) => void): void => {
    for (const handler of Array.from(handlers)) guard(logger, () => run(handler));
  };
  const put = (whole: T): void => {
    const object = withoutManagedFields(whole);
    const before = store.put(object);
    if (before && before.metadata.uid === object.metadata.uid) {
      if (before.metadata.resourceVersion !== object.metadata.resourceVersion) tell((h) => h.update?.(before, object));
      return;
    }
    // The same name with another uid: deleted and made anew, unseen.
    if (before) tell((h) => h.delete?.(before));
    tell((h) => h.add?.(object));
  };
  const remove = (key: string, last?: T): void => {
    const before = store.remove(key);
    if (before) tell((h) => h.delete?.(last ?? before));
  };
  return {
    store,
    get resourceVersion() {
      return resourceVersion;
    },
    replace(list: ObjectList<T>): void {
      const present = new Set(list.items.map(objectKey));
      resourceVersion = list.resourceVersion;
      for (const key of Array.from(store.values(), objectKey)) if (!present.has(key)) remove(key);
      for (const object of list.items) put(object);
      tell((handler) => handler.replaced?.());
    },
    apply(event: WatchEvent<T>): void {
      const version = event.type === "BOOKMARK" ? event.resourceVersion : event.object.metadata.resourceVersion;
      // A repeat of what was seen, or of what a later list already showed.
      if (revisionNumber(version) <= revisionNumber(resourceVersion)) return;
      resourceVersion = version ?? resourceVersion;
      if (event.type === "BOOKMARK") return;
      if (event.type === "DELETED") remove(objectKey(event.object), event.object);
      else put(event.object);
    },
    addHandler(handler: Handler<T>): () => void {
      for (const object of Array.from(store.values())) guard(logger, () => handler.add?.(object));
      handlers.add(handler);
      return () => handlers.delete(handler);
    },
  };
}

/** Who owns which field is half of an object's size, and nothing that looks at caches asks for it; a write without it leaves it as it is. */
function withoutManagedFields<T extends KubeObject>(object: T): T {
  if (!object.metadata.managedFields) return object;
  const { managedFields: _, ...metadata } = object.metadata;
  return { ...object, metadata };
}

function guard(logger: Logger, run: () => void): void {
  try {
    run();
  } catch (error) {
    logger.error({ error: error instanceof Error ? (error.stack ?? error.message) : String(error) }, "handler failed");
  }
}
