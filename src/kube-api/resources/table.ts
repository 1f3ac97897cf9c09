import { GantryError } from "#base/errors.ts";
import { signal, type Signal } from "#base/signal.ts";
import { builtInResources } from "./built-in.ts";
import { apiVersionOf, type ResourceDefinition } from "./definition.ts";

/** Every resource that is served now: the built-in ones and those of custom resource definitions. */
export interface ResourceTable {
  find(group: string, version: string, resource: string): ResourceDefinition | undefined;
  /** Throws `not-found` for what is not served: for code that names its own resources. */
  expect(group: string, version: string, resource: string): ResourceDefinition;
  findKind(group: string, version: string, kind: string): ResourceDefinition | undefined;
  all(): readonly ResourceDefinition[];
  /** Puts a custom group version's resource in place of what was there under `owner`. */
  replace(owner: string, definitions: readonly ResourceDefinition[]): void;
  readonly changed: Signal<void>;
}

export function resourceTable(): ResourceTable {
  const byOwner = new Map<string, readonly ResourceDefinition[]>([["", builtInResources()]]);
  const byResource = new Map<string, ResourceDefinition>();
  const byKind = new Map<string, ResourceDefinition>();
  let list: readonly ResourceDefinition[] = [];
  const changed = signal<void>();
  const index = (): void => {
    list = Array.from(byOwner.values()).flat();
    byResource.clear();
    byKind.clear();
    for (const definition of list) {
      byResource.set(`${apiVersionOf(definition)}/${definition.resource}`, definition);
      byKind.set(`${apiVersionOf(definition)}/${definition.kind}`, definition);
    }
  };
  index();
  const find = (group: string, version: string, resource: string): ResourceDefinition | undefined =>
    byResource.get(`${apiVersionOf({ group, version })}/${resource}`);
  return {
    changed,
    find,
    expect(group, version, resource) {
      const definition = find(group, version, resource);
      if (!definition)
        throw new GantryError("not-found", `${apiVersionOf({ group, version })} ${resource} is not served`);
      return definition;
    },
    findKind: (group, version, kind) => byKind.get(`${apiVersionOf({ group, version })}/${kind}`),
    all: () => list,
    replace(owner, definitions) {
      if (definitions.length === 0) byOwner.delete(owner);
      else byOwner.set(owner, definitions);
      index();
      changed.emit();
    },
  };
}
