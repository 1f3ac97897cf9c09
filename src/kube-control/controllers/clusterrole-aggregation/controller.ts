import { objectKey } from "#formats/kube-object.ts";
import { RESOURCES } from "#formats/kube-resources.ts";
import type { ClusterRole, PolicyRule } from "#formats/kube-types.generated.ts";
import { matchesSelector, selectorOf } from "#formats/selectors.ts";
import { canonicalJson } from "../../shared/canonical-json.ts";
import { controller, informerOf, type Controller, type ControllerContext } from "../shared/controller.ts";
import { semanticEqual } from "../shared/semantic-equal.ts";

/** Cluster roles with an aggregation rule have the rules of all roles that it selects. */
export function clusterRoleAggregationController(context: ControllerContext): Controller {
  const roles = informerOf(context, RESOURCES.clusterroles);
  const aggregated = (): string[] =>
    Array.from(roles.cache.values())
      .filter((role) => role.aggregationRule)
      .map(objectKey);
  return controller(context, {
    name: "clusterrole-aggregation-controller",
    async reconcile(key) {
      const role = roles.cache.get(key);
      if (!role?.aggregationRule) return;
      const rules = collect(role, Array.from(roles.cache.values()));
      if (semanticEqual(rules, role.rules)) return;
      await context.client.update(RESOURCES.clusterroles, { ...role, rules });
    },
    allKeys: aggregated,
    watch: (queue) => {
      const all = (): void => aggregated().forEach((key) => queue.add(key));
      return [
        roles.addHandler({
          add: all,
          update(before, after) {
            if (
              !semanticEqual(before, { ...after, metadata: before.metadata }) ||
              !semanticEqual(before.metadata.labels, after.metadata.labels)
            )
              all();
          },
          delete: all,
        }),
      ];
    },
  });
}

/** In order of the selectors, then of the roles' names; each rule once. */
function collect(role: ClusterRole, roles: readonly ClusterRole[]): PolicyRule[] {
  const rules = new Map<string, PolicyRule>();
  const sorted = roles.toSorted((a, b) => ((a.metadata.name ?? "") < (b.metadata.name ?? "") ? -1 : 1));
  for (const each of role.aggregationRule?.clusterRoleSelectors ?? []) {
    const selector = selectorOf(each);
    for (const { metadata, rules: own } of sorted) {
      if (metadata.name === role.metadata.name || !matchesSelector(selector, metadata.labels)) continue;
      for (const rule of own ?? []) rules.set(canonicalJson(rule), rule);
    }
  }
  return Array.from(rules.values());
}
