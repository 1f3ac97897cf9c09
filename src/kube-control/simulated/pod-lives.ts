import type { Clock } from "#base/clock.ts";
import { isGantryError } from "#base/errors.ts";
import { keyedSerial } from "#base/serial.ts";
import { RESOURCES } from "#formats/kube-resources.ts";
import type { Pod, PodStatus } from "#formats/kube-types.generated.ts";
import type { KubeClient } from "#kube-client/client.ts";
import { endedStatus, podLife, runningStatus } from "./pod-life.ts";

export interface PodLivesOptions {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly alive: (nodeName: string) => boolean;
  /** The node's address; undefined when the node is not a simulated one. */
  readonly addressOf: (nodeName: string) => string | undefined;
  readonly report: (error: unknown) => void;
  /** No pod ends by itself. */
  readonly endless: boolean;
}

/** Takes the pods of simulated nodes from one stage of their lives to the next. */
export interface PodLives {
  see(pod: Pod): void;
  forget(pod: Pod): void;
  stop(): void;
}

type Stage = "start" | "ready" | "end" | "stop";

interface Life {
  /** The stage that is waited for. */
  readonly stage: Stage;
  readonly cancel: () => void;
}

/** One timer for each pod that has a next stage. */
export function podLives(options: PodLivesOptions): PodLives {
  const { client, clock, report } = options;
  const waiting = new Map<string, Life>();
  /** Latest versions, so that a stage is entered from what is, not from what was when its timer was set. */
  const latest = new Map<string, Pod>();
  const serial = keyedSerial();
  let addresses = 0;

  const write = async (pod: Pod, status: PodStatus): Promise<void> => {
    await client.update(RESOURCES.pods, { ...pod, status: { ...pod.status, ...status } }, "status");
  };
  const nextAddress = (): string => {
    addresses++;
    return `10.${192 + ((addresses >> 16) & 63)}.${(addresses >> 8) & 255}.${addresses & 255}`;
  };
  const enter = async (stage: Stage, pod: Pod): Promise<void> => {
    const life = podLife(pod);
    const hostIp = options.addressOf(pod.spec?.nodeName ?? "") ?? "";
    const podIp = pod.spec?.hostNetwork ? hostIp : (pod.status?.podIP ?? nextAddress());
    switch (stage) {
      case "start":
        return write(pod, runningStatus(pod, hostIp, podIp, life.readyAfterMs === 0, clock.now()));
      case "ready":
        return write(pod, runningStatus(pod, hostIp, podIp, true, clock.now()));
      case "end":
        return write(pod, endedStatus(pod, life.exitCode, clock.now()));
      case "stop": {
        const { namespace, name = "", uid } = pod.metadata;
        return client.delete(RESOURCES.pods, namespace, name, { gracePeriodSeconds: 0, preconditions: { uid } });
      }
    }
  };
  const next = (pod: Pod): ReturnType<typeof nextStage> => {
    const stage = nextStage(pod);
    return options.endless && stage?.stage === "end" ? undefined : stage;
  };
  const run = (uid: string, stage: Stage): void => {
    waiting.delete(uid);
    serial
      .run(uid, async () => {
        const pod = latest.get(uid);
        // Something newer may have made the stage pointless: the pod's present state decides.
        if (!pod || next(pod)?.stage !== stage || !options.alive(pod.spec?.nodeName ?? "")) return;
        await enter(stage, pod);
      })
      .catch((error: unknown) => {
        // The newer version that got in between is seen next, and tried from there.
        if (!isGantryError(error, "conflict") && !isGantryError(error, "not-found")) report(error);
      });
  };
  return {
    see(pod) {
      const uid = pod.metadata.uid ?? "";
      const nodeName = pod.spec?.nodeName;
      if (!nodeName || options.addressOf(nodeName) === undefined || !options.alive(nodeName)) return;
      latest.set(uid, pod);
      const coming = next(pod);
      const known = waiting.get(uid);
      if (known?.stage === coming?.stage) return;
      known?.cancel();
      waiting.delete(uid);
      if (!coming) return;
      const { stage, afterMs } = coming;
      if (afterMs === 0) run(uid, stage);
      else waiting.set(uid, { stage, cancel: clock.after(afterMs, () => run(uid, stage)) });
    },
    forget(pod) {
      const uid = pod.metadata.uid ?? "";
      waiting.get(uid)?.cancel();
      waiting.delete(uid);
      latest.delete(uid);
    },
    stop() {
      for (const { cancel } of waiting.values()) cancel();
      waiting.clear();
      latest.clear();
    },
  };
}

/** What happens to a pod next, and when; undefined when nothing does by itself. */
function nextStage(pod: Pod): { readonly stage: Stage; readonly afterMs: number } | undefined {
  const life = podLife(pod);
  if (pod.metadata.deletionTimestamp) return { stage: "stop", afterMs: life.stopAfterMs };
  const phase = pod.status?.phase ?? "Pending";
  if (phase === "Pending") return { stage: "start", afterMs: life.startAfterMs };
  if (phase !== "Running") return undefined;
  const ready = pod.status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True") ?? false;
  if (!ready && life.readyAfterMs !== undefined && life.readyAfterMs > 0)
    return { stage: "ready", afterMs: life.readyAfterMs };
  return life.runForMs === undefined ? undefined : { stage: "end", afterMs: life.runForMs };
}
