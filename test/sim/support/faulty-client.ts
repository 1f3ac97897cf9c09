// A KubeClient between a component and the API that loses, delays and repeats, from a seed.
import type { Clock } from "../../../src/base/clock.ts";
import { GantryError } from "../../../src/base/errors.ts";
import type { Random } from "../../../src/base/random.ts";
import type { KubeObject, Typed } from "../../../src/formats/kube-object.ts";
import type { KubeClient, WatchEvent, WatchOptions } from "../../../src/kube-client/client.ts";

/** How often what goes wrong, between 0 and 1. */
export interface Faults {
  /** A request is lost before the API sees it. */
  readonly lostRequest: number;
  /** The API does as asked, but its answer is lost. */
  readonly lostAnswer: number;
  /** An answer or event comes late, by up to `lateMs`. */
  readonly late: number;
  readonly lateMs: number;
  /** A watch ends after an event. */
  readonly brokenWatch: number;
  /** A watch is refused because its version is too old. */
  readonly goneWatch: number;
  /** An event comes twice. */
  readonly twice: number;
}

export const SOME_FAULTS: Faults = {
  lostRequest: 0.05,
  lostAnswer: 0.05,
  late: 0.2,
  lateMs: 2000,
  brokenWatch: 0.05,
  goneWatch: 0.2,
  twice: 0.1,
};

/** `enabled` is asked each time: a simulation ends with a calm in which all must come right. */
export function faultyClient(
  client: KubeClient,
  clock: Clock,
  random: Random,
  faults: Faults,
  enabled: () => boolean,
): KubeClient {
  const happens = (chance: number): boolean => enabled() && random.next() < chance;
  const delay = (): Promise<void> => {
    if (!happens(faults.late)) return Promise.resolve();
    return new Promise((resolve) => clock.after(Math.floor(random.next() * faults.lateMs), resolve));
  };
  const call = async <R>(what: string, run: () => Promise<R>): Promise<R> => {
    await delay();
    if (happens(faults.lostRequest)) throw new GantryError("unavailable", `${what}: request lost`);
    const result = await run();
    await delay();
    if (happens(faults.lostAnswer)) throw new GantryError("unavailable", `${what}: answer lost`);
    return result;
  };
  async function* watch<T extends KubeObject>(
    resource: Typed<T>,
    options: WatchOptions,
  ): AsyncGenerator<WatchEvent<T>> {
    if (happens(faults.goneWatch)) throw new GantryError("gone", "too old resource version");
    for await (const event of client.watch(resource, options)) {
      await delay();
      if (options.signal.aborted) return;
      yield event;
      if (happens(faults.twice)) yield event;
      if (happens(faults.brokenWatch)) return;
    }
  }
  return {
    get: (resource, namespace, name, subresource) =>
      call("get", () => client.get(resource, namespace, name, subresource)),
    list: (resource, options) => call("list", () => client.list(resource, options)),
    watch,
    create: (resource, object, options) => call("create", () => client.create(resource, object, options)),
    update: (resource, object, subresource) => call("update", () => client.update(resource, object, subresource)),
    patch: (resource, namespace, name, patch, subresource) =>
      call("patch", () => client.patch(resource, namespace, name, patch, subresource)),
    delete: (resource, namespace, name, options) =>
      call("delete", () => client.delete(resource, namespace, name, options)),
    post: (resource, namespace, name, subresource, body) =>
      call("post", () => client.post(resource, namespace, name, subresource, body)),
  };
}
