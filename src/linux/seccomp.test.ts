import assert from "node:assert/strict";
import { test } from "node:test";
import type { OciSeccomp } from "#formats/oci-spec.ts";
import { compileSeccomp, seccompFlags, type Architecture } from "./seccomp.ts";
import { auditArchitecture, syscallNumbers } from "./seccomp/numbers.ts";

const [ALLOW, ENOSYS, KILL] = [0x7fff0000, 0x50026, 0x80000000];
const errno = (number: number): number => 0x50000 | number;

/** Runs the program as the kernel does. */
function run(program: Buffer, audit: number, number: number, args: readonly bigint[] = []): number {
  const data = Buffer.alloc(64);
  data.writeUInt32LE(number, 0);
  data.writeUInt32LE(audit, 4);
  args.forEach((argument, index) => data.writeBigUInt64LE(argument, 16 + index * 8));
  let accumulator = 0;
  for (let at = 0; at * 8 < program.length; at++) {
    const [op, jt, jf, k] = [
      program.readUInt16LE(at * 8),
      program.readUInt8(at * 8 + 2),
      program.readUInt8(at * 8 + 3),
      program.readUInt32LE(at * 8 + 4),
    ];
    if (op === 0x20) accumulator = data.readUInt32LE(k);
    else if (op === 0x54) accumulator = (accumulator & k) >>> 0;
    else if (op === 0x05) at += k;
    else if (op === 0x15) at += accumulator === k ? jt : jf;
    else if (op === 0x25) at += accumulator > k ? jt : jf;
    else if (op === 0x35) at += accumulator >= k ? jt : jf;
    else if (op === 0x06) return k;
    else assert.fail(`instruction ${op}`);
  }
  return assert.fail("the program runs off its end");
}

function call(
  profile: OciSeccomp,
  name: string,
  args: readonly bigint[] = [],
  architecture: Architecture = "x86_64",
): number {
  const number = syscallNumbers(architecture).get(name);
  assert.ok(number !== undefined, name);
  return run(compileSeccomp(profile, architecture), auditArchitecture(architecture), number, args);
}

test("names become the numbers of each architecture; the rest gets the default", () => {
  const profile: OciSeccomp = {
    defaultAction: "SCMP_ACT_ERRNO",
    architectures: ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_S390X"],
    syscalls: [
      { names: ["read", "write", "waitpid", "mseal", "no_such_call"], action: "SCMP_ACT_ALLOW" },
      { names: ["reboot"], action: "SCMP_ACT_KILL_PROCESS" },
    ],
  };
  assert.equal(call(profile, "read"), ALLOW);
  assert.equal(call(profile, "open"), errno(1));
  assert.equal(call(profile, "reboot"), KILL);
  assert.equal(call(profile, "read", [], "aarch64"), ALLOW);
  const program = compileSeccomp(profile, "x86_64");
  const waitpid = syscallNumbers("x86").get("waitpid") ?? 0;
  assert.equal(run(program, auditArchitecture("x86"), waitpid), ALLOW);
  assert.equal(run(program, auditArchitecture("x86_64"), waitpid), errno(1));
  assert.equal(run(program, auditArchitecture("aarch64"), 63), errno(1), "an architecture that cannot occur here");
  assert.equal(run(program, auditArchitecture("x86_64"), 500), ENOSYS, "newer than the profile");
  assert.equal(run(program, auditArchitecture("x86_64"), 0x40000000), ENOSYS, "x32");
});

test("every comparison, on both halves of an argument", () => {
  const big = 0x1_0000_0005n;
  const cases: readonly [string, bigint, bigint, readonly bigint[], readonly bigint[]][] = [
    ["SCMP_CMP_EQ", 5n, 0n, [5n], [4n, big]],
    ["SCMP_CMP_NE", 5n, 0n, [4n, big], [5n]],
    ["SCMP_CMP_LT", big, 0n, [0n, big - 1n, 0xffff_ffffn], [big, big + 1n, 0x2_0000_0000n]],
    ["SCMP_CMP_LE", big, 0n, [big, big - 1n], [big + 1n, 0x2_0000_0000n]],
    ["SCMP_CMP_GT", big, 0n, [big + 1n, 0x2_0000_0000n], [big, 6n]],
    ["SCMP_CMP_GE", big, 0n, [big, 0x2_0000_0000n], [big - 1n, 0xffff_ffffn]],
    ["SCMP_CMP_MASKED_EQ", 0x1_0000_000fn, big, [big, 0xfe_0000_0000n + big + 0xf0n], [5n, big + 1n]],
  ];
  for (const [op, value, valueTwo, holding, failing] of cases) {
    const args = [{ index: 2, value: Number(value), valueTwo: Number(valueTwo), op }];
    const profile: OciSeccomp = {
      defaultAction: "SCMP_ACT_ERRNO",
      syscalls: [{ names: ["socket"], action: "SCMP_ACT_ALLOW", args }],
    };
    for (const argument of holding)
      assert.equal(call(profile, "socket", [0n, 0n, argument]), ALLOW, `${op} ${argument}`);
    for (const argument of failing)
      assert.equal(call(profile, "socket", [0n, 0n, argument]), errno(1), `${op} ${argument}`);
  }
});

test("conditions of one rule must all hold; one argument twice makes alternatives; the first rule counts", () => {
  const both: OciSeccomp = {
    defaultAction: "SCMP_ACT_ALLOW",
    syscalls: [
      {
        names: ["socket"],
        action: "SCMP_ACT_ERRNO",
        errnoRet: 97,
        args: [
          { index: 0, value: 1, op: "SCMP_CMP_EQ" },
          { index: 1, value: 2, op: "SCMP_CMP_EQ" },
        ],
      },
      { names: ["socket"], action: "SCMP_ACT_KILL_PROCESS", args: [{ index: 0, value: 1, op: "SCMP_CMP_EQ" }] },
    ],
  };
  assert.equal(call(both, "socket", [1n, 2n]), errno(97));
  assert.equal(call(both, "socket", [1n, 3n]), KILL);
  assert.equal(call(both, "socket", [2n, 2n]), ALLOW);
  const either: OciSeccomp = {
    defaultAction: "SCMP_ACT_ERRNO",
    syscalls: [
      {
        names: ["personality"],
        action: "SCMP_ACT_ALLOW",
        args: [0, 8].map((value) => ({ index: 0, value, op: "SCMP_CMP_EQ" })),
      },
    ],
  };
  assert.deepEqual(
    [0n, 8n, 9n].map((value) => call(either, "personality", [value])),
    [ALLOW, ALLOW, errno(1)],
  );
});

test("what cannot be done is refused by name", () => {
  const profile = { defaultAction: "SCMP_ACT_ALLOW" };
  const notify = { names: ["mkdir"], action: "SCMP_ACT_NOTIFY" };
  assert.throws(() => compileSeccomp({ ...profile, syscalls: [notify] }), /SCMP_ACT_NOTIFY needs a listenerPath/);
  assert.throws(
    () => compileSeccomp({ ...profile, listenerPath: "/x", syscalls: [{ ...notify, names: ["sendmsg"] }] }),
    /cannot be used for the sendmsg syscall/,
  );
  assert.throws(() => compileSeccomp({ ...profile, defaultAction: "SCMP_ACT_NOTIFY" }), /SCMP_ACT_NOTIFY/);
  assert.throws(() => compileSeccomp({ ...profile, architectures: ["MIPS"] }), /MIPS/);
  assert.throws(() => seccompFlags({ ...profile, flags: ["SECCOMP_FILTER_FLAG_NEW_LISTENER"] }), /NEW_LISTENER/);
  assert.equal(seccompFlags(profile), 4);
  assert.equal(seccompFlags({ ...profile, flags: [] }), 0);
});
