import type { KubeObject } from "#formats/kube-object.ts";
import { qosClass } from "#formats/kube-pod.ts";
import type { Pod } from "#formats/kube-types.generated.ts";
import type { DeleteOptions } from "../options.ts";
import type { Strategy } from "./strategy.ts";

const DEFAULT_GRACE_SECONDS = 30;

/** k8s.io/kubernetes pkg/registry/core/pod/strategy.go */
export const podStrategy: Strategy = {
  prepareForCreate(object) {
    const pod = object as Pod & KubeObject;
    pod.metadata.generation = 1;
    const gated = (pod.spec?.schedulingGates ?? []).length > 0;
    pod.status = {
      phase: "Pending",
      ...(pod.spec ? { qosClass: qosClass(pod.spec) } : {}),
      ...(gated ? { conditions: [gatedCondition] } : {}),
    };
  },
  prepareForStatusUpdate(object, old) {
    const pod = object as Pod & KubeObject;
    const before = (old as Pod).status?.qosClass;
    if (pod.status && before) pod.status.qosClass = before;
  },
  gracePeriod(object, options) {
    return podGracePeriod(object as Pod & KubeObject, options);
  },
};

const gatedCondition = {
  type: "PodScheduled",
  status: "False",
  reason: "SchedulingGated",
  message: "Scheduling is blocked due to non-empty scheduling gates",
} as const;

/** A pod that runs nowhere goes at once; others wait for their kubelet, which deletes them with a period of 0. */
function podGracePeriod(pod: Pod & KubeObject, { gracePeriodSeconds }: DeleteOptions): number {
  const phase = pod.status?.phase;
  if (!pod.spec?.nodeName || phase === "Failed" || phase === "Succeeded") return 0;
  const period = gracePeriodSeconds ?? pod.spec.terminationGracePeriodSeconds ?? DEFAULT_GRACE_SECONDS;
  // A negative period means "one second" (PodStrategy.CheckGracefulDelete).
  return period < 0 ? 1 : period;
}
