import assert from "node:assert/strict";
import { test } from "node:test";
import { resolveSeccompProfile } from "./docker-seccomp.ts";

const context = { capabilities: ["CAP_CHOWN"], arch: "amd64", scmpArch: "SCMP_ARCH_X86_64", kernel: [6, 18] as const };

test("rules that depend on capabilities, processor and kernel are resolved", () => {
  const profile = {
    defaultAction: "SCMP_ACT_ERRNO",
    archMap: [{ architecture: "SCMP_ARCH_X86_64", subArchitectures: ["SCMP_ARCH_X86"] }],
    syscalls: [
      { names: ["read"], action: "SCMP_ACT_ALLOW" },
      { name: "mount", action: "SCMP_ACT_ALLOW", includes: { caps: ["CAP_SYS_ADMIN"] } },
      { names: ["chown"], action: "SCMP_ACT_ALLOW", includes: { caps: ["CAP_CHOWN"] } },
      { names: ["clone"], action: "SCMP_ACT_ALLOW", excludes: { caps: ["CAP_CHOWN"] } },
      { names: ["ptrace"], action: "SCMP_ACT_ALLOW", includes: { minKernel: "4.8" } },
      { names: ["s390"], action: "SCMP_ACT_ALLOW", includes: { arches: ["s390x"] } },
    ],
  };
  const resolved = resolveSeccompProfile(JSON.stringify(profile), context);
  assert.deepEqual(resolved.architectures, ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"]);
  assert.deepEqual(
    resolved.syscalls?.flatMap((rule) => rule.names),
    ["read", "chown", "ptrace"],
  );
});

test("bad profiles are refused", () => {
  assert.throws(() => resolveSeccompProfile("{", context), {
    code: "invalid",
    message: /^Decoding seccomp profile failed: /,
  });
  assert.throws(() => resolveSeccompProfile('{"architectures":["a"],"archMap":[{}]}', context), {
    message: /^both 'architectures' and 'archMap'/,
  });
});
