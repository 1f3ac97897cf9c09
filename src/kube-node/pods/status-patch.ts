import type { PodCondition, PodStatus } from "#formats/kube-types.generated.ts";
import { BY_KUBELET, OWN_CONDITIONS, RESIZE_CONDITIONS } from "./conditions.ts";

/** Fields that a later status may lack again. */
const CLEARED = [
  "reason",
  "message",
  "podIP",
  "podIPs",
  "initContainerStatuses",
  "ephemeralContainerStatuses",
] as const;

/**
 * Pure: the strategic merge patch that makes the status in the API the kubelet's. A merge leaves alone what it is not told of, so what is
 * gone is said to be: fields, texts of conditions, addresses, finished resizes. Conditions that others own are not touched.
 */
export function statusPatch(status: PodStatus): object {
  const { conditions = [], podIPs, ...rest } = status;
  const own = conditions.filter(({ type, reason }) => OWN_CONDITIONS.has(type) || reason === BY_KUBELET);
  const over = Array.from(RESIZE_CONDITIONS).filter((type) => own.every((condition) => condition.type !== type));
  return {
    ...Object.fromEntries(CLEARED.map((field) => [field, null])),
    ...rest,
    ...(podIPs && { podIPs: [{ $patch: "replace" }, ...podIPs] }),
    conditions: [...own.map(whole), ...over.map((type) => ({ type, $patch: "delete" }))],
  };
}

const whole = (condition: PodCondition): object => ({ reason: null, message: null, ...condition });
