import type { Taint, Toleration } from "./kube-types.generated.ts";

/** An integer as a tolerance comparison takes it: no sign but a minus, no leading zeros. */
const INTEGER = /^(0|-?[1-9][0-9]{0,18})$/;

/** True when `toleration` tolerates `taint` (k8s.io/api/core/v1, Toleration.ToleratesTaint). */
export function tolerates(toleration: Toleration, taint: Taint): boolean {
  if (toleration.effect && toleration.effect !== taint.effect) return false;
  if (toleration.key && toleration.key !== taint.key) return false;
  switch (toleration.operator) {
    case undefined:
    case "":
    case "Equal":
      return (toleration.value ?? "") === (taint.value ?? "");
    case "Exists":
      return true;
    case "Lt":
    case "Gt":
      return compares(toleration.operator, toleration.value ?? "", taint.value ?? "");
    default:
      return false;
  }
}

/** `Lt`: the taint's number is less than the toleration's. */
function compares(operator: "Lt" | "Gt", bound: string, value: string): boolean {
  if (!INTEGER.test(bound) || !INTEGER.test(value)) return false;
  return operator === "Lt" ? BigInt(value) < BigInt(bound) : BigInt(value) > BigInt(bound);
}

/** True when one of `tolerations` tolerates `taint`. */
export function tolerated(tolerations: readonly Toleration[] | undefined, taint: Taint): boolean {
  return tolerations?.some((toleration) => tolerates(toleration, taint)) ?? false;
}

/** The first taint of one of `effects` that is not tolerated. */
export function untoleratedTaint(
  taints: readonly Taint[] | undefined,
  tolerations: readonly Toleration[] | undefined,
  effects: readonly string[] = ["NoSchedule", "NoExecute"],
): Taint | undefined {
  return taints?.find((taint) => effects.includes(taint.effect) && !tolerated(tolerations, taint));
}
