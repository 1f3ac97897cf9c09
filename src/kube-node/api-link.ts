import { GantryError } from "#base/errors.ts";
import type { KubeObject, Typed } from "#formats/kube-object.ts";
import type { KubeClient, WatchEvent, WatchOptions } from "#kube-client/client.ts";

/** A node's way to the API server. Cut, it is as a cable that was pulled: nothing is answered until it is whole again. */
export interface ApiLink {
  readonly isCut: boolean;
  /** Fires when the way is cut: watches end. */
  readonly signal: AbortSignal;
  cut(): void;
  mend(): void;
  /** Resolves at once while it is whole. */
  whenWhole(): Promise<void>;
  /** Called each time it is whole again; the result unsubscribes. */
  onMended(listener: () => void): () => void;
  /** For good: whoever waits is told `unavailable`. */
  close(): void;
}

export function apiLink(): ApiLink {
  let cutting = new AbortController();
  let whole: PromiseWithResolvers<void> | undefined;
  const listeners = new Set<() => void>();
  return {
    get isCut() {
      return whole !== undefined;
    },
    get signal() {
      return cutting.signal;
    },
    cut() {
      if (whole) return;
      whole = Promise.withResolvers();
      whole.promise.catch(() => undefined);
      cutting.abort();
    },
    mend() {
      if (!whole) return;
      cutting = new AbortController();
      whole.resolve();
      whole = undefined;
      for (const listener of listeners) listener();
    },
    whenWhole: () => whole?.promise ?? Promise.resolve(),
    onMended(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    close() {
      cutting.abort();
      whole ??= Promise.withResolvers();
      whole.promise.catch(() => undefined);
      whole.reject(new GantryError("unavailable", "the node is stopped"));
    },
  };
}

/** A client over such a way: what is asked while it is cut waits. */
export function clientOver(link: ApiLink, client: KubeClient): KubeClient {
  const after = async <T>(call: () => Promise<T>): Promise<T> => {
    await link.whenWhole();
    return call();
  };
  return {
    get: (resource, namespace, name) => after(() => client.get(resource, namespace, name)),
    list: (resource, options) => after(() => client.list(resource, options)),
    create: (resource, object, options) => after(() => client.create(resource, object, options)),
    update: (resource, object, subresource) => after(() => client.update(resource, object, subresource)),
    patch: (resource, namespace, name, patch, subresource) =>
      after(() => client.patch(resource, namespace, name, patch, subresource)),
    delete: (resource, namespace, name, options) => after(() => client.delete(resource, namespace, name, options)),
    post: (resource, namespace, name, subresource, body) =>
      after(() => client.post(resource, namespace, name, subresource, body)),
    watch: (resource, options) => watchOver(link, client, resource, options),
  };
}

async function* watchOver<T extends KubeObject>(
  link: ApiLink,
  client: KubeClient,
  resource: Typed<T>,
  options: WatchOptions,
): AsyncIterable<WatchEvent<T>> {
  await link.whenWhole();
  const signal = AbortSignal.any([options.signal, link.signal]);
  yield* client.watch(resource, { ...options, signal });
}
