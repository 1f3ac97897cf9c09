import type { Namespace, NamespaceCondition } from "#formats/kube-types.generated.ts";
import { withCondition } from "../shared/conditions.ts";

/** What an attempt to empty a namespace found. */
export interface Emptying {
  /** Objects still there, by resource (`pods.`, `widgets.example.com`). */
  readonly remaining: ReadonlyMap<string, number>;
  /** Objects that wait for a finalizer, by finalizer. */
  readonly finalizers: ReadonlyMap<string, number>;
  readonly discoveryError: string | undefined;
  readonly contentErrors: readonly string[];
}

/** The conditions of a namespace that is being deleted (pkg/controller/namespace/deletion/status_condition_utils.go). */
export function deletionConditions(namespace: Namespace, found: Emptying, nowMs: number): NamespaceCondition[] {
  const { remaining, finalizers, discoveryError, contentErrors } = found;
  let conditions: NamespaceCondition[] = namespace.status?.conditions ?? [];
  const put = (type: string, problem: string | undefined, reasons: readonly [string, string], fine: string): void => {
    const [bad, good] = reasons;
    const made = { type, status: problem ? "True" : "False", reason: problem ? bad : good, message: problem ?? fine };
    const known = conditions.find((condition) => condition.type === type);
    // The message is news here, even when the reason stays.
    const base = known?.message === made.message ? conditions : conditions.filter((each) => each !== known);
    const since = known?.status === made.status ? known.lastTransitionTime : undefined;
    conditions = withCondition(base, { ...made, lastTransitionTime: since }, nowMs);
  };
  put(
    "NamespaceDeletionDiscoveryFailure",
    discoveryError && `Discovery failed for some groups, 1 failing: ${discoveryError}`,
    ["DiscoveryFailed", "ResourcesDiscovered"],
    "All resources successfully discovered",
  );
  put(
    "NamespaceDeletionGroupVersionParsingFailure",
    undefined,
    ["GroupVersionParsingFailed", "ParsedGroupVersions"],
    "All legacy kube types successfully parsed",
  );
  put(
    "NamespaceDeletionContentFailure",
    contentErrors.length > 0
      ? `Failed to delete all resource types, ${contentErrors.length} remaining: ${contentErrors.join(", ")}`
      : undefined,
    ["ContentDeletionFailed", "ContentDeleted"],
    "All content successfully deleted, may be waiting on finalization",
  );
  put(
    "NamespaceContentRemaining",
    listed(
      remaining,
      (resource, count) => `${resource} has ${count} resource instances`,
      "Some resources are remaining: ",
    ),
    ["SomeResourcesRemain", "ContentRemoved"],
    "All content successfully removed",
  );
  put(
    "NamespaceFinalizersRemaining",
    listed(
      finalizers,
      (finalizer, count) => `${finalizer} in ${count} resource instances`,
      "Some content in the namespace has finalizers remaining: ",
    ),
    ["SomeFinalizersRemain", "ContentHasNoFinalizers"],
    "All content-preserving finalizers finished",
  );
  return conditions;
}

function listed(
  counts: ReadonlyMap<string, number>,
  text: (name: string, count: number) => string,
  intro: string,
): string | undefined {
  if (counts.size === 0) return undefined;
  const parts = Array.from(counts, ([name, count]) => text(name, count)).sort();
  return intro + parts.join(", ");
}
