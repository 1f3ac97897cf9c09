import { systemClock, type Clock } from "#base/clock.ts";
import { GantryError } from "#base/errors.ts";
import { systemRandom, type Random } from "#base/random.ts";
import type { KubeObject, Resource, Typed } from "#formats/kube-object.ts";
import type { KubeClient, ListOptions, ObjectList, Patch, WatchEvent, WatchOptions } from "./client.ts";
import type { Credentials } from "./credentials.ts";
import { discoverResources, type ResourceDiscovery } from "./discovery.ts";
import { queryString, resourcePath, selectorQuery } from "./https/resource-path.ts";
import { transport, type Call, type Transport } from "./https/transport.ts";
import { watchEvents } from "./https/watch-stream.ts";
import { waitFor } from "./wait.ts";

export interface HttpsClient extends KubeClient, ResourceDiscovery {
  /** The JSON document at a path that is no resource: `/version`, `/apis`. */
  document(path: string): Promise<unknown>;
  /** Ends every connection. */
  close(): void;
}

export interface HttpsClientOptions {
  readonly clock?: Clock;
  readonly random?: Random;
}

/** Times that an answer with Retry-After is followed, as client-go. */
const MAX_RETRIES = 10;
/** A watch asks the server to end it after five to ten minutes, so that load spreads; a dead one is given up a little later. */
const WATCH_SECONDS = 300;
const WATCH_GRACE_MS = 30_000;

const PATCH_TYPES: Readonly<Record<Patch["type"], string>> = {
  merge: "application/merge-patch+json",
  strategic: "application/strategic-merge-patch+json",
  json: "application/json-patch+json",
  apply: "application/apply-patch+yaml",
};

/** The client port over TLS. Follows no redirects; honours Retry-After; throws GantryErrors with the API's Status. */
export function httpsClient(credentials: Credentials, options: HttpsClientOptions = {}): HttpsClient {
  const { clock = systemClock, random = systemRandom } = options;
  const wire = transport(credentials, clock);
  const json = async (call: Call): Promise<unknown> => parseJson(await retrying(wire, call, clock), call);
  const object = async <T extends KubeObject>(call: Call): Promise<T> => (await json(call)) as T;
  const document = (path: string): Promise<unknown> => json({ method: "GET", path });
  return {
    document,
    resources: () => discoverResources(document),
    close: wire.close,
    get: (resource, namespace, name, subresource) =>
      object({ method: "GET", path: resourcePath(resource, namespace, name, subresource) }),
    async list<T extends KubeObject>(resource: Typed<T>, options: ListOptions = {}) {
      const { limit, continue: continued, resourceVersion } = options;
      const query = queryString({ ...selectorQuery(options), limit, continue: continued, resourceVersion });
      const path = `${resourcePath(resource, options.namespace)}${query}`;
      return objectList<T>(resource, (await json({ method: "GET", path })) as ListDocument<T>);
    },
    watch: (resource, watchOptions) => watch(wire, resource, watchOptions, clock, random),
    create: (resource, body, options) =>
      object({
        method: "POST",
        path: resourcePath(resource, body.metadata.namespace) + queryString({ fieldManager: options?.fieldManager }),
        body: JSON.stringify(body),
      }),
    update: (resource, body, subresource) =>
      object({
        method: "PUT",
        path: resourcePath(resource, body.metadata.namespace, body.metadata.name, subresource),
        body: JSON.stringify(body),
      }),
    patch(resource, namespace, name, patch, subresource) {
      const query = patch.type === "apply" ? queryString({ fieldManager: patch.fieldManager, force: patch.force }) : "";
      return object({
        method: "PATCH",
        path: resourcePath(resource, namespace, name, subresource) + query,
        body: JSON.stringify(patch.body),
        contentType: PATCH_TYPES[patch.type],
      });
    },
    async delete(resource, namespace, name, options) {
      const body = JSON.stringify({ apiVersion: "v1", kind: "DeleteOptions", ...options });
      await json({ method: "DELETE", path: resourcePath(resource, namespace, name), body });
    },
    async post(resource, namespace, name, subresource, body) {
      const path = resourcePath(resource, namespace, name, subresource);
      return (await json({ method: "POST", path, body: JSON.stringify(body) })) as object;
    },
  };
}

interface ListDocument<T> {
  readonly items: T[] | null;
  readonly metadata?: { readonly resourceVersion?: string; readonly continue?: string };
}

function objectList<T extends KubeObject>(resource: Resource, list: ListDocument<T>): ObjectList<T> {
  const apiVersion = resource.group === "" ? resource.version : `${resource.group}/${resource.version}`;
  const items = list.items ?? [];
  // Lists leave out what their own kind says.
  for (const item of items) Object.assign(item, { apiVersion, kind: resource.kind });
  return {
    items,
    resourceVersion: list.metadata?.resourceVersion ?? "",
    continue: list.metadata?.continue || undefined,
  };
}

function parseJson(text: string, call: Call): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new GantryError("unavailable", `${call.method} ${call.path}: the answer is not JSON`, {}, error);
  }
}

async function retrying(wire: Transport, call: Call, clock: Clock): Promise<string> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await wire.text(call);
    } catch (error) {
      const after = error instanceof GantryError ? error.details["retryAfterMs"] : undefined;
      if (typeof after !== "number" || attempt >= MAX_RETRIES) throw error;
      await waitFor(clock, after, call.signal ?? new AbortController().signal);
    }
  }
}

async function* watch<T extends KubeObject>(
  wire: Transport,
  resource: Typed<T>,
  options: WatchOptions,
  clock: Clock,
  random: Random,
): AsyncGenerator<WatchEvent<T>> {
  const timeoutSeconds = Math.ceil(WATCH_SECONDS * (1 + random.next()));
  const query = queryString({
    ...selectorQuery(options),
    watch: true,
    allowWatchBookmarks: true,
    resourceVersion: options.resourceVersion,
    timeoutSeconds,
  });
  const overdue = new AbortController();
  const cancel = clock.after(timeoutSeconds * 1000 + WATCH_GRACE_MS, () => overdue.abort());
  try {
    const signal = AbortSignal.any([options.signal, overdue.signal]);
    const path = resourcePath(resource, options.namespace) + query;
    const response = await wire.stream({ method: "GET", path, signal });
    yield* watchEvents<T>(response, signal);
  } finally {
    cancel();
  }
}
