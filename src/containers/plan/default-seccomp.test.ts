import assert from "node:assert/strict";
import { test } from "node:test";
import { compileSeccomp } from "#linux/seccomp.ts";
import { defaultSeccomp } from "./default-seccomp.ts";

const named = (capabilities: readonly string[]): ReadonlySet<string> =>
  new Set(
    defaultSeccomp(capabilities).syscalls?.flatMap(({ names, action }) => (action === "SCMP_ACT_ALLOW" ? names : [])),
  );

test("capabilities open the calls that need them, and no others", () => {
  const plain = named(["CAP_CHOWN"]);
  for (const name of ["mount", "reboot", "chroot", "bpf", "unshare", "io_uring_setup", "kexec_load", "keyctl"]) {
    assert.ok(!plain.has(name), name);
  }
  assert.ok(named(["CAP_SYS_CHROOT"]).has("chroot"));
  assert.ok(named(["CAP_SYS_ADMIN"]).has("mount"));
  assert.ok(!named(["CAP_SYS_ADMIN"]).has("keyctl"));
});

test("the profile compiles for both machines, well within the kernel's limit", () => {
  for (const architecture of ["x86_64", "aarch64"] as const) {
    const instructions = compileSeccomp(defaultSeccomp([]), architecture).length / 8;
    assert.ok(instructions > 50 && instructions < 1000, `${architecture}: ${instructions}`);
  }
});
