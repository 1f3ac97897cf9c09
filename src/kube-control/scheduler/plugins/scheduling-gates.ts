import type { PreEnqueuePlugin } from "../framework/plugin.ts";
import { verdict } from "../framework/verdict.ts";

const NAME = "SchedulingGates";

/** A pod with scheduling gates is not looked at until they are gone. */
export const schedulingGatesPlugin: PreEnqueuePlugin = {
  name: NAME,
  preEnqueue(pod) {
    const gates = pod.spec?.schedulingGates ?? [];
    if (gates.length === 0) return undefined;
    const names = gates.map((gate) => gate.name).join(" ");
    return verdict(NAME, "UnschedulableAndUnresolvable", `waiting for scheduling gates: [${names}]`);
  },
};
