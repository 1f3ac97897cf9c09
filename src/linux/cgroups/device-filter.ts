import type { DeviceRule } from "./devices.ts";

/**
 * The eBPF program that guards devices in version 2 (BPF_PROG_TYPE_CGROUP_DEVICE): it gets struct bpf_cgroup_dev_ctx
 * (access and type, major, minor) and returns 1 to allow. Later rules win, so they are asked first.
 */
export function deviceFilter(rules: readonly DeviceRule[]): Buffer {
  const code: Instruction[] = [
    // r2 = type, r3 = wanted access, r4 = major, r5 = minor
    { op: LOAD_WORD, dst: 2, src: 1, offset: 0 },
    { op: AND_IMM, dst: 2, imm: 0xffff },
    { op: LOAD_WORD, dst: 3, src: 1, offset: 0 },
    { op: SHIFT_RIGHT_IMM, dst: 3, imm: 16 },
    { op: LOAD_WORD, dst: 4, src: 1, offset: 4 },
    { op: LOAD_WORD, dst: 5, src: 1, offset: 8 },
  ];
  const lastForAll = rules.findLastIndex((rule) => rule.type === "a");
  for (const rule of merged(rules.slice(lastForAll + 1)).toReversed()) code.push(...ruleBlock(rule));
  code.push(...verdict(lastForAll < 0 || rules[lastForAll]?.allow === true));
  return assemble(code);
}

/** Reading allowed by one rule and writing by the next is reading and writing allowed: neighbours of one verdict and device become one. */
function merged(rules: readonly DeviceRule[]): readonly DeviceRule[] {
  const result: DeviceRule[] = [];
  for (const rule of rules) {
    const since = result.findLastIndex(({ allow }) => allow !== rule.allow) + 1;
    const same = result.findIndex(
      (other, index) =>
        index >= since && other.type === rule.type && other.major === rule.major && other.minor === rule.minor,
    );
    const before = result[same];
    if (before) result[same] = { ...before, access: before.access + rule.access };
    else result.push(rule);
  }
  return result;
}

interface Instruction {
  readonly op: number;
  readonly dst?: number;
  readonly src?: number;
  readonly offset?: number;
  readonly imm?: number;
}

/** linux/bpf_common.h and linux/bpf.h: class, size or source, and operation. */
const LOAD_WORD = 0x61;
const AND_IMM = 0x54;
const SHIFT_RIGHT_IMM = 0x74;
const MOVE_IMM = 0xb4;
const MOVE_REG = 0xbc;
const JUMP_NOT_EQUAL_IMM = 0x55;
const JUMP_NOT_EQUAL_REG = 0x5d;
const JUMP_EQUAL_IMM = 0x15;
const EXIT = 0x95;

const TYPE_BLOCK = 1;
const TYPE_CHAR = 2;
const ACCESS_BITS: Readonly<Record<string, number>> = { m: 1, r: 2, w: 4 };
const ALL_ACCESS = 7;

/** Falls through when the rule does not apply. An allowing rule applies when it grants all that is wanted, a denying one when it denies any of it. */
function ruleBlock(rule: DeviceRule): readonly Instruction[] {
  const tests: Instruction[] = [{ op: JUMP_NOT_EQUAL_IMM, dst: 2, imm: rule.type === "b" ? TYPE_BLOCK : TYPE_CHAR }];
  let access = 0;
  for (const letter of rule.access) access |= ACCESS_BITS[letter] ?? 0;
  if (access !== ALL_ACCESS) {
    tests.push({ op: MOVE_REG, dst: 1, src: 3 }, { op: AND_IMM, dst: 1, imm: access });
    tests.push(rule.allow ? { op: JUMP_NOT_EQUAL_REG, dst: 1, src: 3 } : { op: JUMP_EQUAL_IMM, dst: 1, imm: 0 });
  }
  if (rule.major !== undefined) tests.push({ op: JUMP_NOT_EQUAL_IMM, dst: 4, imm: rule.major });
  if (rule.minor !== undefined) tests.push({ op: JUMP_NOT_EQUAL_IMM, dst: 5, imm: rule.minor });
  const end = verdict(rule.allow);
  const length = tests.length + end.length;
  const isJump = ({ op }: Instruction): boolean =>
    op === JUMP_NOT_EQUAL_IMM || op === JUMP_NOT_EQUAL_REG || op === JUMP_EQUAL_IMM;
  return [...tests.map((test, index) => (isJump(test) ? { ...test, offset: length - index - 1 } : test)), ...end];
}

function verdict(allow: boolean): readonly Instruction[] {
  return [{ op: MOVE_IMM, dst: 0, imm: allow ? 1 : 0 }, { op: EXIT }];
}

/** struct bpf_insn: code, registers, offset, immediate. */
function assemble(code: readonly Instruction[]): Buffer {
  const bytes = Buffer.alloc(code.length * 8);
  code.forEach(({ op, dst = 0, src = 0, offset = 0, imm = 0 }, index) => {
    bytes.writeUInt8(op, index * 8);
    bytes.writeUInt8((src << 4) | dst, index * 8 + 1);
    bytes.writeInt16LE(offset, index * 8 + 2);
    bytes.writeInt32LE(imm | 0, index * 8 + 4);
  });
  return bytes;
}
