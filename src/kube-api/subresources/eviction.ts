import { decodeObject } from "#formats/kube-decode.ts";
import type { KubeObject } from "#formats/kube-object.ts";
import { matchesSelector, selectorOf } from "#formats/selectors.ts";
import { kubeTime } from "#formats/kube-time.ts";
import { copyTree, isJsonObject } from "#formats/tree.ts";
import type { Pod, PodDisruptionBudget } from "#formats/kube-types.generated.ts";
import type { Api } from "../api.ts";
import type { RequestContext } from "../context.ts";
import type { DeleteOptions } from "../options.ts";
import { badRequest, failure, internalError } from "../status.ts";
import { remove } from "../verbs/delete.ts";
import { get } from "../verbs/get.ts";
import { list } from "../verbs/list.ts";
import { update } from "../verbs/update.ts";
import type { SubresourceHandler } from "./handlers.ts";

const EVICTION = { group: "policy", version: "v1", kind: "Eviction" };
/** Pods whose disruption is under way but not yet seen by the budget's controller. */
const MAX_DISRUPTED = 2000;

type BudgetObject = PodDisruptionBudget & KubeObject;

/** POST pods/NAME/eviction: a delete that disruption budgets may refuse (registry/core/pod/storage/eviction.go). */
export const evictionHandler: SubresourceHandler = {
  async create(api, context, ref, { value, duplicates = [] }, validation) {
    if (!isJsonObject(value)) throw badRequest("the body of the request must be one object");
    const eviction = decodeObject(EVICTION, value, validation, duplicates).object as KubeObject & {
      deleteOptions?: DeleteOptions;
    };
    const { name = "" } = eviction.metadata;
    if (name !== ref.name) throw badRequest("name in URL does not match name in Eviction object");
    const { object } = await get(api, ref.definition, ref.namespace, ref.name);
    const pod = object as Pod & KubeObject;
    const options = eviction.deleteOptions ?? {};
    if (!canIgnoreBudgets(pod)) await claimDisruption(api, context, ref.namespace, pod);
    await remove(api, context, ref.definition, ref.namespace, ref.name, options);
    return { value: { kind: "Status", apiVersion: "v1", metadata: {}, status: "Success", code: 201 } };
  },
};

function canIgnoreBudgets({ metadata, status }: Pod & KubeObject): boolean {
  const phase = status?.phase;
  return phase === "Succeeded" || phase === "Failed" || phase === "Pending" || metadata.deletionTimestamp !== undefined;
}

/** Takes one disruption from the pod's budget, or throws 429. */
async function claimDisruption(
  api: Api,
  context: RequestContext,
  namespace: string,
  pod: Pod & KubeObject,
): Promise<void> {
  const definition = api.resources.expect("policy", "v1", "poddisruptionbudgets");
  const { documents } = await list(api, definition, namespace);
  const budgets = documents
    .map((document) => document.object as BudgetObject)
    .filter((budget) => matchesSelector(selectorOf(budget.spec?.selector), pod.metadata.labels));
  if (budgets.length > 1)
    throw internalError(
      "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.",
    );
  const [budget] = budgets;
  if (!budget) return;
  const ready = pod.status?.conditions?.some((condition) => condition.type === "Ready" && condition.status === "True");
  if (!ready && (healthyEnough(budget) || budget.spec?.unhealthyPodEvictionPolicy === "AlwaysAllow")) return;
  const target = { definition, namespace, name: budget.metadata.name ?? "", subresource: "status" };
  await update(api, context, target, (current) => disrupted(api, current as BudgetObject, pod.metadata.name ?? ""));
}

/** An unready pod takes nothing from a budget that has enough healthy ones. */
function healthyEnough({ status }: BudgetObject): boolean {
  return (status?.desiredHealthy ?? 0) > 0 && (status?.currentHealthy ?? 0) >= (status?.desiredHealthy ?? 0);
}

function disrupted(api: Api, budget: BudgetObject, pod: string): KubeObject {
  const { name = "", generation = 0 } = budget.metadata;
  const { status } = budget;
  if ((status?.observedGeneration ?? 0) < generation)
    throw refuse(`The disruption budget ${name} is still being processed by the server.`, 10);
  const allowed = status?.disruptionsAllowed ?? 0;
  if (Object.keys(status?.disruptedPods ?? {}).length > MAX_DISRUPTED) {
    throw refuse("DisruptedPods map too big - too many evictions not confirmed by PDB controller", 0);
  }
  if (!status || allowed <= 0) {
    const why = `The disruption budget ${name} needs ${status?.desiredHealthy ?? 0} healthy pods and has ${status?.currentHealthy ?? 0} currently`;
    throw refuse("Cannot evict pod as it would violate the pod's disruption budget.", 0, why);
  }
  const next = copyTree(budget);
  delete next.metadata.resourceVersion;
  next.status = {
    ...status,
    disruptionsAllowed: allowed - 1,
    disruptedPods: { ...status.disruptedPods, [pod]: kubeTime(api.clock.now()) },
  };
  return next;
}

function refuse(message: string, retryAfterSeconds: number, cause?: string): Error {
  const causes = cause === undefined ? {} : { causes: [{ reason: "DisruptionBudget", message: cause }] };
  const retry = retryAfterSeconds > 0 ? { retryAfterSeconds } : {};
  return failure({
    code: "too-many-requests",
    http: 429,
    reason: "TooManyRequests",
    message,
    details: { ...causes, ...retry },
  });
}
