import { errorText } from "#base/errors.ts";
import { place, unplace } from "../cluster/placements.ts";
import { decide } from "../framework/decide.ts";
import { fitMessage, type Diagnosis } from "../framework/diagnosis.ts";
import type { Cycle, PermitResult, PostFilterResult } from "../framework/plugin.ts";
import type { Profile } from "../framework/profile.ts";
import type { NodeScore } from "../framework/score.ts";
import type { Verdict } from "../framework/verdict.ts";
import type { QueuedPod } from "../queue/scheduling-queue.ts";
import { bindAssumed } from "./bind.ts";
import { profileOf, type ObservedDecision, type SchedulerContext } from "./context.ts";
import { reasonGroups } from "./explanations.ts";
import { reportFailure } from "./report.ts";

/** One scheduling cycle for one pod, synchronous up to its assumption; what is returned is its binding, to be waited for. */
export function scheduleOne(context: SchedulerContext, queued: QueuedPod): Promise<void> | undefined {
  const profile = profileOf(context, queued.info.pod);
  if (!profile) return undefined;
  const cycle: Cycle = { cluster: context.cluster, pod: queued.info };
  const startedMs = context.observe ? performance.now() : 0;
  const observed = (kind: ObservedDecision["kind"]): void =>
    context.observe?.({ kind, durationMs: performance.now() - startedMs });
  try {
    const decision = decide(profile, cycle, context.random, context.likePods.get(profile));
    observed(decision.kind);
    if (decision.kind === "placed") return assume(context, profile, cycle, queued, decision.nodeName, decision.scores);
    if (decision.kind === "no-nodes") {
      failed(context, queued, "no nodes available to schedule pods", undefined);
    } else unschedulable(context, profile, cycle, queued, decision.diagnosis);
  } catch (error) {
    observed("error");
    // A plugin's fault stays with the pod it happened on.
    context.logger.error({ pod: queued.info.key, error: stackOf(error) }, "scheduling failed");
    reportFailure(context, queued.info, { reason: "SchedulerError", message: errorText(error) });
    context.queue.retry(queued);
  }
  return undefined;
}

/** Counts the pod as placed before the API knows, so that the next decision does not wait for it. */
function assume(
  context: SchedulerContext,
  profile: Profile,
  cycle: Cycle,
  queued: QueuedPod,
  nodeName: string,
  scores: readonly NodeScore[] | undefined,
): Promise<void> | undefined {
  const { info } = queued;
  context.cluster.nominated.delete(info.uid);
  place(context.cluster, info, nodeName);
  context.assumed.add(info.uid);
  const permits: PermitResult[] = [];
  const refused = reserveAndPermit(profile, cycle, nodeName, permits);
  if (refused) {
    for (const plugin of profile.reserves) plugin.unreserve(info, nodeName);
    unplace(context.cluster, info.uid);
    context.assumed.delete(info.uid);
    const row = context.cluster.rowByName.get(nodeName) ?? 0;
    unschedulable(context, profile, cycle, queued, {
      nodeCount: 1,
      verdicts: new Map([[row, refused]]),
      absent: undefined,
      preFilterMessage: "",
      rejectors: new Set([refused.plugin]),
    });
    return undefined;
  }
  context.explanations.set(info.uid, { kind: "placed", atMs: context.clock.now(), nodeName, scores });
  return bindAssumed(context, profile, queued, nodeName, permits);
}

function reserveAndPermit(
  profile: Profile,
  cycle: Cycle,
  nodeName: string,
  permits: PermitResult[],
): Verdict | undefined {
  for (const plugin of profile.reserves) {
    const refused = plugin.reserve(cycle, nodeName);
    if (refused) return refused;
  }
  for (const plugin of profile.permits) {
    const permit = plugin.permit(cycle.pod, nodeName);
    if (permit.kind === "reject") return permit.verdict;
    permits.push(permit);
  }
  return undefined;
}

function unschedulable(
  context: SchedulerContext,
  profile: Profile,
  cycle: Cycle,
  queued: QueuedPod,
  diagnosis: Diagnosis,
): void {
  const result = runPostFilters(profile, cycle, diagnosis);
  failed(context, queued, fitMessage(diagnosis, result?.message ?? ""), diagnosis, result?.nominatedNode);
  result?.act?.().catch((error: unknown) => {
    context.logger.warn({ pod: queued.info.key, error: errorText(error) }, "making room for a pod failed");
  });
}

/** The first plugin that makes room decides; of several that cannot, all are heard. */
function runPostFilters(profile: Profile, cycle: Cycle, diagnosis: Diagnosis): PostFilterResult | undefined {
  const messages: string[] = [];
  let nominatedNode: string | undefined;
  for (const plugin of profile.postFilters) {
    const result = plugin.postFilter(cycle, diagnosis);
    if (result.act) return result;
    if (result.message !== "") messages.push(result.message);
    nominatedNode = result.nominatedNode ?? nominatedNode;
  }
  return messages.length === 0 ? undefined : { message: messages.join(", "), nominatedNode };
}

function failed(
  context: SchedulerContext,
  queued: QueuedPod,
  message: string,
  diagnosis: Diagnosis | undefined,
  nominatedNode?: string,
): void {
  const { info } = queued;
  if (nominatedNode) context.cluster.nominated.set(info.uid, { info, nodeName: nominatedNode });
  else if (nominatedNode === "") context.cluster.nominated.delete(info.uid);
  const reasons = reasonGroups(context.cluster, diagnosis);
  context.explanations.set(info.uid, { kind: "unschedulable", atMs: context.clock.now(), message, reasons });
  reportFailure(context, info, { reason: "Unschedulable", message, nominatedNode });
  context.queue.park(queued, diagnosis?.rejectors ?? new Set());
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
