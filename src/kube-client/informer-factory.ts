import type { Clock } from "#base/clock.ts";
import type { Logger } from "#base/logger.ts";
import { systemRandom, type Random } from "#base/random.ts";
import type { KubeObject, Resource, Typed } from "#formats/kube-object.ts";
import type { KubeClient } from "./client.ts";
import { informer, type Informer } from "./informer.ts";

/** One informer for each resource, shared by everything in the process that needs it. */
export interface InformerFactory {
  /** The informer of `resource`, started by its first user. */
  informer<T extends KubeObject>(resource: Typed<T>): Informer<T>;
  /** Stops and forgets one resource (its kind was removed from the API). */
  drop(resource: Resource): void;
  /** Resolves when every informer made so far has its first list. */
  whenSynced(): Promise<void>;
  stop(): void;
}

export interface InformerFactoryOptions {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random?: Random;
}

/** Makes shared informers over all namespaces. Bounded by the number of resources that the API serves. */
export function informerFactory(options: InformerFactoryOptions): InformerFactory {
  const { random = systemRandom } = options;
  const informers = new Map<string, Informer<KubeObject>>();
  return {
    informer<T extends KubeObject>(resource: Typed<T>): Informer<T> {
      const name = resourceName(resource);
      const known = informers.get(name);
      // The name decides the type: one resource, one document type.
      if (known) return known as unknown as Informer<T>;
      const made = informer(resource, { ...options, random });
      informers.set(name, made as unknown as Informer<KubeObject>);
      made.start();
      return made;
    },
    drop(resource) {
      const name = resourceName(resource);
      informers.get(name)?.stop();
      informers.delete(name);
    },
    async whenSynced() {
      await Promise.all(Array.from(informers.values(), (each) => each.whenSynced()));
    },
    stop() {
      for (const each of informers.values()) each.stop();
      informers.clear();
    },
  };
}

/** `pods`, `deployments.v1.apps`. */
export function resourceName({ resource, version, group }: Resource): string {
  return group === "" ? `${resource}.${version}` : `${resource}.${version}.${group}`;
}
