import { GantryError } from "#base/errors.ts";
import type { Condition } from "./rules.ts";

/** What to return when all conditions hold. */
export interface Rule {
  readonly conditions: readonly Condition[];
  readonly value: number;
}

export interface ArchitectureRules {
  /** AUDIT_ARCH_ value. */
  readonly audit: number;
  readonly rules: ReadonlyMap<number, readonly Rule[]>;
  /** Calls with a larger number get `tooNew`. */
  readonly beyond?: number;
}

/** Classic BPF (linux/filter.h): code, jump if true, jump if false, constant. */
type Instruction = readonly [code: number, jt: number, jf: number, k: number];

const LOAD = 0x20; // BPF_LD | BPF_W | BPF_ABS
const JUMP = 0x05; // BPF_JMP | BPF_JA
const JUMP_EQUAL = 0x15;
const JUMP_GREATER = 0x25;
const JUMP_GREATER_EQUAL = 0x35;
const AND = 0x54;
const RETURN = 0x06;

/** Where struct seccomp_data has what. */
const NUMBER_OFFSET = 0;
const ARCHITECTURE_OFFSET = 4;
const ARGUMENTS_OFFSET = 16;

/** BPF_MAXINSNS */
const MOST_INSTRUCTIONS = 4096;

/** The program: one part for each architecture, each a binary search over the call's number. */
export function assembleFilter(architectures: readonly ArchitectureRules[], fallback: number, tooNew: number): Buffer {
  const code: Instruction[] = [[LOAD, 0, 0, ARCHITECTURE_OFFSET]];
  for (const { audit, rules, beyond } of architectures) {
    const part: Instruction[] = [[LOAD, 0, 0, NUMBER_OFFSET], ...search(intervals(rules, fallback, tooNew, beyond))];
    code.push([JUMP_EQUAL, 1, 0, audit], [JUMP, 0, 0, part.length], ...part);
  }
  code.push([RETURN, 0, 0, fallback]);
  if (code.length > MOST_INSTRUCTIONS) {
    throw new GantryError(
      "invalid",
      `the seccomp profile makes ${code.length} instructions, more than the ${MOST_INSTRUCTIONS} that the kernel takes`,
    );
  }
  const bytes = Buffer.alloc(code.length * 8);
  code.forEach(([op, jt, jf, k], index) => {
    bytes.writeUInt16LE(op, index * 8);
    bytes.writeUInt8(jt, index * 8 + 2);
    bytes.writeUInt8(jf, index * 8 + 3);
    bytes.writeUInt32LE(k, index * 8 + 4);
  });
  return bytes;
}

/** From `start` up to the next interval, calls run `body`, which ends in a return. */
interface Interval {
  readonly start: number;
  readonly body: readonly Instruction[];
}

function intervals(
  rules: ReadonlyMap<number, readonly Rule[]>,
  fallback: number,
  tooNew: number,
  beyond: number | undefined,
): readonly Interval[] {
  const result: Interval[] = [];
  const add = (start: number, body: readonly Instruction[]): void => {
    if (JSON.stringify(result.at(-1)?.body) !== JSON.stringify(body)) result.push({ start, body });
  };
  add(0, [[RETURN, 0, 0, fallback]]);
  const numbers = Array.from(rules.keys()).toSorted((one, other) => one - other);
  numbers.forEach((number, index) => {
    add(number, decide(rules.get(number) ?? [], fallback));
    if (numbers[index + 1] !== number + 1) add(number + 1, [[RETURN, 0, 0, fallback]]);
  });
  if (beyond !== undefined) add(beyond + 1, [[RETURN, 0, 0, tooNew]]);
  return result;
}

function search(list: readonly Interval[]): readonly Instruction[] {
  const [only] = list;
  if (list.length === 1 && only) return only.body;
  const middle = list.length >> 1;
  const below = search(list.slice(0, middle));
  const above = search(list.slice(middle));
  // A conditional jump reaches 255 instructions, an unconditional one everything.
  return [[JUMP_GREATER_EQUAL, 0, 1, list[middle]?.start ?? 0], [JUMP, 0, 0, below.length], ...below, ...above];
}

/** The first rule whose conditions hold; what follows an unconditional one is never reached. */
function decide(rules: readonly Rule[], fallback: number): readonly Instruction[] {
  const code: Instruction[] = [];
  for (const { conditions, value } of rules) {
    if (conditions.length === 0) return [...code, [RETURN, 0, 0, value]];
    code.push(...conditional(conditions, value));
  }
  return [...code, [RETURN, 0, 0, fallback]];
}

/** Tests one condition after the other; the first that fails jumps behind the return. */
function conditional(conditions: readonly Condition[], value: number): readonly Instruction[] {
  let code: readonly Instruction[] = [[RETURN, 0, 0, value]];
  for (const condition of conditions.toReversed()) code = [...compare(condition, code.length), ...code];
  return code;
}

/** Goes on behind itself when the condition holds, else `skip` instructions further. Arguments are loaded as two halves. */
function compare({ index, op, value, datum }: Condition, skip: number): readonly Instruction[] {
  const low = ARGUMENTS_OFFSET + index * 8;
  const [highValue, lowValue] = halves(value);
  const loadHigh: Instruction = [LOAD, 0, 0, low + 4];
  const loadLow: Instruction = [LOAD, 0, 0, low];
  switch (op) {
    case "equal":
      return [loadHigh, [JUMP_EQUAL, 0, skip + 2, highValue], loadLow, [JUMP_EQUAL, 0, skip, lowValue]];
    case "not-equal":
      return [loadHigh, [JUMP_EQUAL, 0, 2, highValue], loadLow, [JUMP_EQUAL, skip, 0, lowValue]];
    case "masked-equal": {
      const [highDatum, lowDatum] = halves(datum);
      return [
        loadHigh,
        [AND, 0, 0, highValue],
        [JUMP_EQUAL, 0, skip + 3, highDatum],
        loadLow,
        [AND, 0, 0, lowValue],
        [JUMP_EQUAL, 0, skip, lowDatum],
      ];
    }
    case "greater":
    case "greater-equal": {
      const jump = op === "greater" ? JUMP_GREATER : JUMP_GREATER_EQUAL;
      return [
        loadHigh,
        [JUMP_GREATER, 3, 0, highValue],
        [JUMP_EQUAL, 0, skip + 2, highValue],
        loadLow,
        [jump, 0, skip, lowValue],
      ];
    }
    case "less":
    case "less-equal": {
      const jump = op === "less" ? JUMP_GREATER_EQUAL : JUMP_GREATER;
      return [
        loadHigh,
        [JUMP_GREATER, skip + 3, 0, highValue],
        [JUMP_EQUAL, 0, 2, highValue],
        loadLow,
        [jump, skip, 0, lowValue],
      ];
    }
  }
}

function halves(value: bigint): readonly [high: number, low: number] {
  return [Number(value >> 32n), Number(value & 0xffffffffn)];
}
