import { errorText, GantryError, isGantryError } from "#base/errors.ts";
import { RESOURCES } from "#formats/kube-resources.ts";
import type { Clock } from "#base/clock.ts";
import type { KubeClient } from "#kube-client/client.ts";
import { unplace } from "../cluster/placements.ts";
import type { PodInfo } from "../cluster/pod-info.ts";
import type { PermitResult } from "../framework/plugin.ts";
import type { Profile } from "../framework/profile.ts";
import type { Verdict } from "../framework/verdict.ts";
import type { QueuedPod } from "../queue/scheduling-queue.ts";
import type { SchedulerContext } from "./context.ts";
import { reportFailure } from "./report.ts";

/** The binding cycle of an assumed pod: Permit's waits, PreBind, Bind, PostBind. A failure frees the place and queues the pod anew. */
export async function bindAssumed(
  context: SchedulerContext,
  profile: Profile,
  queued: QueuedPod,
  nodeName: string,
  permits: readonly PermitResult[],
): Promise<void> {
  const { info } = queued;
  try {
    await allPermitted(context.clock, permits);
    for (const plugin of profile.preBinds) await plugin.preBind(info, nodeName);
    await context.bindings.request(() => bindSurely(context, profile, info, nodeName));
  } catch (error) {
    for (const plugin of profile.reserves.toReversed()) plugin.unreserve(info, nodeName);
    bindingFailed(context, queued, error);
    return;
  }
  const text = `Successfully assigned ${info.key} to ${nodeName}`;
  context.events.record(info.pod, "Normal", "Scheduled", text, "Binding");
  context.logger.info({ pod: info.key, node: nodeName, scheduler: profile.schedulerName }, "pod placed");
  for (const plugin of profile.postBinds) plugin.postBind(info, nodeName);
}

async function allPermitted(clock: Clock, permits: readonly PermitResult[]): Promise<void> {
  for (const permit of permits) {
    if (permit.kind !== "wait") continue;
    const { promise: late, reject } = Promise.withResolvers<never>();
    const cancel = clock.after(permit.timeoutMs, () =>
      reject(new GantryError("timeout", "rejected due to timeout after waiting")),
    );
    const refused: Verdict | undefined = await Promise.race([permit.decided, late]).finally(cancel);
    if (refused) throw new GantryError("forbidden", refused.reasons.join(", "));
  }
}

/** When it is not known whether the API has bound the pod, it is asked, for as long as it takes: until then the place is not free. */
async function bindSurely(context: SchedulerContext, profile: Profile, info: PodInfo, nodeName: string): Promise<void> {
  try {
    await bind(context, profile, info, nodeName);
  } catch (error) {
    if (!isUncertain(error)) throw error;
    const bound = await boundTo(context, info);
    if (bound !== nodeName) throw error;
  }
}

function isUncertain(error: unknown): boolean {
  return isGantryError(error, "unavailable") || isGantryError(error, "timeout");
}

const ASK_AGAIN_MS = 1000;
/** After so many tries the informer has to tell: the API has been away for a minute. */
const MAX_ASKED = 60;

/** The node that the pod is on by now; undefined: none. */
async function boundTo({ client, clock }: SchedulerContext, { pod, uid }: PodInfo): Promise<string | undefined> {
  const { namespace, name = "" } = pod.metadata;
  for (let tries = 0; tries < MAX_ASKED; tries++) {
    try {
      const now = await client.get(RESOURCES.pods, namespace, name);
      return now.metadata.uid === uid ? now.spec?.nodeName : undefined;
    } catch (error) {
      if (!isUncertain(error)) return undefined;
      await new Promise<void>((resolve) => clock.after(ASK_AGAIN_MS, resolve));
    }
  }
  return undefined;
}

async function bind(context: SchedulerContext, profile: Profile, info: PodInfo, nodeName: string): Promise<void> {
  const extender = context.extenders.find((each) => each.bind && each.concerns(info));
  if (extender?.bind) {
    await extender.bind(info, nodeName);
    return;
  }
  for (const plugin of profile.binds) if (await plugin.bind(info, nodeName)) return;
  throw new GantryError("unsupported", "no bind plugin bound the pod");
}

/** Binds by the API. */
export async function bindByApi(client: KubeClient, { pod }: PodInfo, nodeName: string): Promise<void> {
  const { name = "", namespace, uid } = pod.metadata;
  await client.post(RESOURCES.pods, namespace, name, "binding", {
    apiVersion: "v1",
    kind: "Binding",
    metadata: { name, namespace, uid },
    target: { kind: "Node", name: nodeName },
  });
}

function bindingFailed(context: SchedulerContext, queued: QueuedPod, error: unknown): void {
  const { info } = queued;
  // Seen bound after all: whatever failed came after the API had it.
  if (context.assumed.delete(info.uid)) {
    unplace(context.cluster, info.uid);
    context.queue.changed({ resource: "AssignedPod", actions: ["Delete"], before: info.pod });
  }
  const current = context.currentPod(info.key);
  if (current === undefined || current.metadata.uid !== info.uid || current.spec?.nodeName) {
    context.queue.remove(info.uid);
    return;
  }
  context.logger.debug({ pod: info.key, error: errorText(error) }, "binding failed");
  reportFailure(context, info, { reason: "SchedulerError", message: `binding rejected: ${errorText(error)}` });
  context.queue.retry(queued);
}
