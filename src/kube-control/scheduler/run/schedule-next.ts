import { errorText } from "#base/errors.ts";
import { endNomination, nominate } from "../cluster/nominations.ts";
import { place, unplace } from "../cluster/placements.ts";
import { decideWithExtenders } from "../extenders/decide.ts";
import { decide, type Decision } from "../framework/decide.ts";
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

/** One pod's scheduling cycle. */
interface Attempt {
  readonly context: SchedulerContext;
  readonly profile: Profile;
  readonly cycle: Cycle;
  readonly queued: QueuedPod;
}

/** One scheduling cycle for one pod, up to its assumption; what is returned has to end before the next one begins (an extender is asked). */
export function scheduleOne(context: SchedulerContext, queued: QueuedPod): Promise<void> | undefined {
  const profile = profileOf(context, queued.info.pod);
  if (!profile) return undefined;
  const attempt: Attempt = { context, profile, queued, cycle: { cluster: context.cluster, pod: queued.info } };
  const startedMs = context.observe ? performance.now() : 0;
  const observed = (kind: ObservedDecision["kind"]): void =>
    context.observe?.({ kind, durationMs: performance.now() - startedMs });
  const extenders = context.extenders.filter((each) => each.concerns(queued.info));
  const failedWith = (error: unknown): void => {
    observed("error");
    schedulerError(attempt, error);
  };
  try {
    if (extenders.length > 0) {
      const { random, logger } = context;
      return decideWithExtenders(profile, attempt.cycle, extenders, random, logger)
        .then((decision) => {
          observed(decision.kind);
          // Bound by someone else, or gone, while the extender was asked.
          return context.queue.has(queued.info.uid) ? carryOut(attempt, decision) : undefined;
        })
        .catch(failedWith);
    }
    const decision = decide(profile, attempt.cycle, context.random, context.likePods.get(profile));
    observed(decision.kind);
    return carryOut(attempt, decision)?.catch(failedWith);
  } catch (error) {
    failedWith(error);
    return undefined;
  }
}

/** A plugin's fault stays with the pod it happened on. */
function schedulerError({ context, queued }: Attempt, error: unknown): void {
  context.logger.error({ pod: queued.info.key, error: stackOf(error) }, "scheduling failed");
  reportFailure(context, queued.info, { reason: "SchedulerError", message: errorText(error) });
  context.queue.retry(queued);
}

function carryOut(attempt: Attempt, decision: Decision): Promise<void> | undefined {
  if (decision.kind === "placed") return assume(attempt, decision.nodeName, decision.scores);
  if (decision.kind === "unschedulable") return unschedulable(attempt, decision.diagnosis);
  failed(attempt, "no nodes available to schedule pods", undefined);
  return undefined;
}

/** Counts the pod as placed before the API knows, so that the next decision does not wait for it. */
function assume(
  attempt: Attempt,
  nodeName: string,
  scores: readonly NodeScore[] | undefined,
): Promise<void> | undefined {
  const { context, profile, cycle, queued } = attempt;
  const { info } = queued;
  endNomination(context.cluster, info.uid);
  place(context.cluster, info, nodeName);
  context.assumed.add(info.uid);
  const permits: PermitResult[] = [];
  const refused = reserveAndPermit(profile, cycle, nodeName, permits);
  if (refused) {
    for (const plugin of profile.reserves.toReversed()) plugin.unreserve(info, nodeName);
    unplace(context.cluster, info.uid);
    context.assumed.delete(info.uid);
    const row = context.cluster.rowByName.get(nodeName) ?? 0;
    return unschedulable(attempt, {
      nodeCount: 1,
      verdicts: new Map([[row, refused]]),
      absent: undefined,
      preFilterMessage: "",
      rejectors: new Set([refused.plugin]),
    });
  }
  context.explanations.set(info.uid, { kind: "placed", atMs: context.clock.now(), nodeName, scores });
  context.bindings.track(bindAssumed(context, profile, queued, nodeName, permits));
  return undefined;
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

function unschedulable(attempt: Attempt, diagnosis: Diagnosis): Promise<void> | undefined {
  const finish = (result: PostFilterResult | undefined): void => {
    failed(attempt, fitMessage(diagnosis, result?.message ?? ""), diagnosis, result?.nominatedNode);
    result?.act?.().catch((error: unknown) => {
      const { context, queued } = attempt;
      context.logger.warn({ pod: queued.info.key, error: errorText(error) }, "making room for a pod failed");
    });
  };
  const result = runPostFilters(attempt, diagnosis, 0, []);
  if (result instanceof Promise) return result.then(finish);
  finish(result);
  return undefined;
}

/** The first plugin that makes room decides; of several that cannot, all are heard. */
function runPostFilters(
  attempt: Attempt,
  diagnosis: Diagnosis,
  from: number,
  heard: readonly PostFilterResult[],
): PostFilterResult | undefined | Promise<PostFilterResult | undefined> {
  const { profile, cycle } = attempt;
  const results = [...heard];
  for (const [index, plugin] of profile.postFilters.entries()) {
    if (index < from) continue;
    const result = plugin.postFilter(cycle, diagnosis);
    if (result instanceof Promise) {
      return result.then((done) =>
        done.act ? done : runPostFilters(attempt, diagnosis, index + 1, [...results, done]),
      );
    }
    if (result.act) return result;
    results.push(result);
  }
  const messages = results.map(({ message }) => message).filter((message) => message !== "");
  if (messages.length === 0) return undefined;
  const nominatedNode = results.findLast((each) => each.nominatedNode !== undefined)?.nominatedNode;
  return { message: messages.join(", "), ...(nominatedNode !== undefined && { nominatedNode }) };
}

function failed(
  { context, queued }: Attempt,
  message: string,
  diagnosis: Diagnosis | undefined,
  nominatedNode?: string,
): void {
  const { info } = queued;
  if (nominatedNode) nominate(context.cluster, info, nominatedNode);
  else if (nominatedNode === "") endNomination(context.cluster, info.uid);
  const reasons = reasonGroups(context.cluster, diagnosis);
  context.explanations.set(info.uid, { kind: "unschedulable", atMs: context.clock.now(), message, reasons });
  reportFailure(context, info, { reason: "Unschedulable", message, nominatedNode });
  context.queue.park(queued, diagnosis?.rejectors ?? new Set());
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
