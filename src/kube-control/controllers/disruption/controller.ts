import { objectKey } from "#formats/kube-object.ts";
import { RESOURCES } from "#formats/kube-resources.ts";
import type { Pod, PodDisruptionBudget } from "#formats/kube-types.generated.ts";
import { matchesSelector, selectorOf } from "#formats/selectors.ts";
import { controller, enqueueFrom, informerOf, type Controller, type ControllerContext } from "../shared/controller.ts";
import { controllerOf } from "../shared/ownership.ts";
import { isReady, isTerminating } from "../shared/pods.ts";
import { sameStatus, semanticEqual } from "../shared/semantic-equal.ts";
import { planBudget } from "./plan.ts";
import { wantedPods } from "./wanted.ts";

const NAME = "disruption-controller";

/** Keeps the numbers of disruption budgets: how many pods are well, how many have to be, how many may go. */
export function disruptionController(context: ControllerContext): Controller {
  const budgets = informerOf(context, RESOURCES.poddisruptionbudgets);
  const pods = informerOf(context, RESOURCES.pods);
  const wanted = wantedPods(context.informers);
  const events = context.events(NAME);
  const selected = (budget: PodDisruptionBudget): Pod[] => {
    const selector = selectorOf(budget.spec?.selector);
    return pods.cache
      .inNamespace(budget.metadata.namespace ?? "")
      .filter(({ metadata }) => matchesSelector(selector, metadata.labels));
  };
  const budgetsOf = (pod: Pod): string[] =>
    budgets.cache
      .inNamespace(pod.metadata.namespace ?? "")
      .filter((budget) => matchesSelector(selectorOf(budget.spec?.selector), pod.metadata.labels))
      .map(objectKey);
  /** A workload's size changed: the budgets of its pods' namespace may have other numbers. */
  const inNamespaceOf = ({ metadata }: { metadata: { namespace?: string } }): string[] =>
    budgets.cache.inNamespace(metadata.namespace ?? "").map(objectKey);
  return controller(context, {
    name: NAME,
    async reconcile(key) {
      const budget = budgets.cache.get(key);
      if (!budget) return undefined;
      const own = selected(budget);
      if (own.length === 0) events.record(budget, "Normal", "NoPods", "No matching pods found");
      const size = wanted(own);
      if (size === undefined && needsSize(budget)) {
        const stray = own.find((pod) => !controllerOf(pod));
        const text = `Failed to calculate the number of expected pods: found no controllers for pod ${JSON.stringify(stray?.metadata.name ?? "")}`;
        events.record(budget, "Warning", "CalculateExpectedPodCountFailed", text);
      }
      const { status, recheckMs } = planBudget({ budget, pods: own, wanted: size, nowMs: context.clock.now() });
      if (!sameStatus(status, budget.status)) {
        await context.client.update(RESOURCES.poddisruptionbudgets, { ...budget, status }, "status");
      }
      return recheckMs === undefined ? undefined : { requeueAfterMs: recheckMs };
    },
    allKeys: () => Array.from(budgets.cache.values(), objectKey),
    watch: (queue) => [
      enqueueFrom(budgets, queue, (budget) => [objectKey(budget)]),
      enqueueFrom(pods, queue, budgetsOf, podChanged),
      ...[RESOURCES.deployments, RESOURCES.replicasets, RESOURCES.statefulsets, RESOURCES.replicationcontrollers].map(
        (resource) =>
          enqueueFrom(informerOf(context, resource as typeof RESOURCES.deployments), queue, inNamespaceOf, sizeChanged),
      ),
    ],
  });
}

function needsSize({ spec }: PodDisruptionBudget): boolean {
  return spec?.maxUnavailable !== undefined || typeof spec?.minAvailable === "string";
}

function podChanged(before: Pod, after: Pod): boolean {
  return (
    isReady(before) !== isReady(after) ||
    isTerminating(before) !== isTerminating(after) ||
    before.status?.phase !== after.status?.phase ||
    !semanticEqual(before.metadata.labels, after.metadata.labels)
  );
}

function sizeChanged(before: { spec?: { replicas?: number } }, after: { spec?: { replicas?: number } }): boolean {
  return before.spec?.replicas !== after.spec?.replicas;
}
