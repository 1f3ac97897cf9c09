import { GantryError } from "#base/errors.ts";
import type { OciSeccomp } from "#formats/oci-spec.ts";

/** One comparison with one argument of a call (64 bits wide). */
export interface Condition {
  readonly index: number;
  readonly op: Comparison;
  readonly value: bigint;
  /** For "masked-equal": compared with argument & value. */
  readonly datum: bigint;
}

export type Comparison = "equal" | "not-equal" | "less" | "less-equal" | "greater" | "greater-equal" | "masked-equal";

const COMPARISONS: Readonly<Record<string, Comparison>> = {
  SCMP_CMP_EQ: "equal",
  SCMP_CMP_NE: "not-equal",
  SCMP_CMP_LT: "less",
  SCMP_CMP_LE: "less-equal",
  SCMP_CMP_GT: "greater",
  SCMP_CMP_GE: "greater-equal",
  SCMP_CMP_MASKED_EQ: "masked-equal",
};

/** SECCOMP_RET_ values (linux/seccomp.h); those that carry a number have it in the low half. */
const ACTIONS: Readonly<Record<string, { readonly value: number; readonly carries?: boolean }>> = {
  SCMP_ACT_KILL: { value: 0 },
  SCMP_ACT_KILL_THREAD: { value: 0 },
  SCMP_ACT_KILL_PROCESS: { value: 0x80000000 },
  SCMP_ACT_TRAP: { value: 0x30000 },
  SCMP_ACT_ERRNO: { value: 0x50000, carries: true },
  SCMP_ACT_TRACE: { value: 0x7ff00000, carries: true },
  SCMP_ACT_NOTIFY: { value: 0x7fc00000 },
  SCMP_ACT_LOG: { value: 0x7ffc0000 },
  SCMP_ACT_ALLOW: { value: 0x7fff0000 },
};

/** Their names, for who wants to know. */
export const SECCOMP_ACTIONS: readonly string[] = Object.keys(ACTIONS);
export const SECCOMP_OPERATORS: readonly string[] = Object.keys(COMPARISONS);

const EPERM = 1;

/** What the filter returns for an action. */
export function returnValue(action: string, number: number | undefined): number {
  const known = ACTIONS[action];
  if (!known)
    throw new GantryError("unsupported", `seccomp action ${action} is not supported`, { field: "seccomp.action" });
  if (number !== undefined && !known.carries) {
    throw new GantryError("invalid", `seccomp: errnoRet does not go with ${action}`, { field: "seccomp.errnoRet" });
  }
  return known.carries ? (known.value | ((number ?? EPERM) & 0xffff)) >>> 0 : known.value;
}

/** Alternatives, each a list of conditions that must all hold. An argument that is compared twice makes alternatives, as in runc. */
export function ruleArguments(
  args: NonNullable<NonNullable<OciSeccomp["syscalls"]>[number]["args"]>,
): readonly (readonly Condition[])[] {
  const conditions = args.map(({ index, op, value, valueTwo }) => {
    const comparison = COMPARISONS[op];
    if (!comparison)
      throw new GantryError("invalid", `seccomp: unknown comparison ${op}`, { field: "seccomp.args.op" });
    if (!Number.isInteger(index) || index < 0 || index > 5) {
      throw new GantryError("invalid", `seccomp: a call has no argument ${index}`, { field: "seccomp.args.index" });
    }
    return {
      index,
      op: comparison,
      value: BigInt.asUintN(64, BigInt(value)),
      datum: BigInt.asUintN(64, BigInt(valueTwo ?? 0)),
    };
  });
  const isRepeated = new Set(conditions.map(({ index }) => index)).size < conditions.length;
  return isRepeated ? conditions.map((condition) => [condition]) : [conditions];
}
