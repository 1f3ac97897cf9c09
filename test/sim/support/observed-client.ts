// A KubeClient that tells of each write, and dies when it is told to: as a process does between two of them.
import { GantryError } from "../../../src/base/errors.ts";
import type { KubeObject, Typed } from "../../../src/formats/kube-object.ts";
import type { KubeClient, WatchEvent, WatchOptions } from "../../../src/kube-client/client.ts";

/** A write that the API has done. `object`: as it was sent; a patch's body. */
export interface Write {
  readonly verb: "create" | "update" | "patch" | "delete" | "post";
  readonly resource: string;
  readonly subresource: string;
  readonly namespace: string;
  readonly name: string;
  readonly object: object | undefined;
  /** It changed nothing: the object was so already. */
  readonly idle?: boolean;
}

export interface ObservedClient extends KubeClient {
  /** Nothing that is asked from now on, or answered, reaches the other side. */
  die(): void;
}

function sameVersion(sent: object | undefined, answer: unknown): boolean {
  const versionOf = (value: unknown): string | undefined =>
    (value as { metadata?: { resourceVersion?: string } } | undefined)?.metadata?.resourceVersion;
  const version = versionOf(sent);
  return version !== undefined && version === versionOf(answer);
}

export function observedClient(
  client: KubeClient,
  onWrite: (write: Write, self: ObservedClient) => void,
): ObservedClient {
  const grave = new AbortController();
  const check = (): void => {
    if (grave.signal.aborted) throw new GantryError("cancelled", "this process is dead");
  };
  const read = async <R>(run: () => Promise<R>): Promise<R> => {
    check();
    const result = await run();
    check();
    return result;
  };
  const write = async <R>(told: Write, run: () => Promise<R>): Promise<R> => {
    check();
    const result = await run();
    // One that had been sent before the end is done all the same.
    if (!grave.signal.aborted) onWrite({ ...told, idle: sameVersion(told.object, result) }, self);
    check();
    return result;
  };
  async function* watch<T extends KubeObject>(
    resource: Typed<T>,
    options: WatchOptions,
  ): AsyncGenerator<WatchEvent<T>> {
    const signal = AbortSignal.any([options.signal, grave.signal]);
    check();
    for await (const event of client.watch(resource, { ...options, signal })) {
      if (grave.signal.aborted) return;
      yield event;
    }
  }
  const told = (
    verb: Write["verb"],
    { resource }: { readonly resource: string },
    namespace: string | undefined,
    name: string | undefined,
    object: object | undefined,
    subresource = "",
  ): Write => ({ verb, resource, subresource, namespace: namespace ?? "", name: name ?? "", object });
  const self: ObservedClient = {
    die: () => grave.abort(),
    get: (resource, namespace, name, subresource) => read(() => client.get(resource, namespace, name, subresource)),
    list: (resource, options) => read(() => client.list(resource, options)),
    watch,
    create: (resource, object, options) =>
      write(told("create", resource, object.metadata.namespace, object.metadata.name, object), () =>
        client.create(resource, object, options),
      ),
    update: (resource, object, subresource) =>
      write(told("update", resource, object.metadata.namespace, object.metadata.name, object, subresource), () =>
        client.update(resource, object, subresource),
      ),
    patch: (resource, namespace, name, patch, subresource) =>
      write(told("patch", resource, namespace, name, patch.body, subresource), () =>
        client.patch(resource, namespace, name, patch, subresource),
      ),
    delete: (resource, namespace, name, options) =>
      write(told("delete", resource, namespace, name, undefined), () =>
        client.delete(resource, namespace, name, options),
      ),
    post: (resource, namespace, name, subresource, body) =>
      write(told("post", resource, namespace, name, body, subresource), () =>
        client.post(resource, namespace, name, subresource, body),
      ),
  };
  return self;
}
