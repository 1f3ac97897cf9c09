import type { KubeObject } from "#formats/kube-object.ts";
import type { Store } from "#store/store.ts";
import { documentOf } from "../registry/document.ts";
import { keyOf, prefixOf } from "../registry/keys.ts";
import type { ResourceDefinition } from "../resources/definition.ts";
import type { ResourceTable } from "../resources/table.ts";

/** Reads one built-in object as it is now; shared, never to be changed. */
export type Reader = (resource: string, namespace: string, name: string) => Promise<KubeObject | undefined>;

/** Reads all objects of a resource, in one namespace or ("") everywhere. */
export type Lister = (resource: string, namespace: string) => Promise<readonly KubeObject[]>;

/** `resource` is `pods`, or `storageclasses.storage.k8s.io`. */
export function storeReader(store: Store, resources: ResourceTable): { read: Reader; list: Lister } {
  const definitions = new Map<string, ResourceDefinition>();
  const define = (resource: string): ResourceDefinition => {
    const known = definitions.get(resource);
    if (known) return known;
    const dot = resource.indexOf(".");
    const [name, group] = dot < 0 ? [resource, ""] : [resource.slice(0, dot), resource.slice(dot + 1)];
    const definition = resources.expect(group, "v1", name);
    definitions.set(resource, definition);
    return definition;
  };
  return {
    async read(resource, namespace, name) {
      if (name === "") return undefined;
      const entry = await store.get(keyOf(define(resource), namespace, name));
      return entry ? documentOf(entry).object : undefined;
    },
    async list(resource, namespace) {
      const { items } = await store.range(prefixOf(define(resource), namespace));
      return items.map((entry) => documentOf(entry).object);
    },
  };
}
