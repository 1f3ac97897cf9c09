import { objectKey, type KubeObject } from "#formats/kube-object.ts";
import { matchesSelector, type Selector } from "#formats/selectors.ts";
import type { Informer } from "#kube-client/informer.ts";

/** Keys of the owners in an object's namespace whose selector matches it: those that may adopt it when it has no controller. */
export function orphanSelectors<O extends KubeObject>(
  owners: Informer<O>,
  selectorOf: (owner: O) => Selector,
): (object: KubeObject) => string[] {
  /** Parsed selectors, as long as their owner's version lives. */
  const parsed = new WeakMap<O, Selector>();
  const selector = (owner: O): Selector => {
    const known = parsed.get(owner);
    if (known) return known;
    const made = selectorOf(owner);
    parsed.set(owner, made);
    return made;
  };
  return (object) =>
    owners.cache
      .inNamespace(object.metadata.namespace ?? "")
      .filter((owner) => {
        const wanted = selector(owner);
        // An owner that selects everything would take every stray pod.
        return wanted.requirements.length > 0 && matchesSelector(wanted, object.metadata.labels);
      })
      .map(objectKey);
}
