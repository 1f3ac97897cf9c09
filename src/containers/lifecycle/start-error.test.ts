import assert from "node:assert/strict";
import { test } from "node:test";
import { GantryError } from "#base/errors.ts";
import { startFailure } from "./start-error.ts";

const failed = (step: string, errno: number, text = "text of the shim") =>
  new GantryError("exec-failed", text, { step, errno, text });
const CREATE =
  "failed to create task for container: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: error during container init: ";

test("commands that are not there or cannot be executed, in runc's words and with the shell's exit codes", () => {
  const cases: [string, number, string, number][] = [
    ["nosuch", 2, 'exec: "nosuch": executable file not found in $PATH', 127],
    ["/nosuch", 2, 'exec: "/nosuch": stat /nosuch: no such file or directory', 127],
    ["/etc/passwd/x", 20, 'exec: "/etc/passwd/x": stat /etc/passwd/x: not a directory', 127],
    ["/etc/passwd", 13, 'exec: "/etc/passwd": permission denied', 126],
    ["/etc", 21, 'exec: "/etc": is a directory: permission denied', 126],
    ["passwd", 13, 'exec: "passwd": permission denied', 126],
    ["/script", 8, "exec /script: exec format error", 126],
  ];
  for (const [command, errno, reason, exitCode] of cases) {
    const failure = startFailure(failed("exec", errno), command, "container");
    assert.equal(failure.error.message, CREATE + reason);
    assert.equal(failure.error.code, "exec-failed");
    assert.equal(failure.exitCode, exitCode, command);
  }
});

test("an exec is told as an exec", () => {
  assert.equal(
    startFailure(failed("exec", 2), "nosuch", "exec").error.message,
    'OCI runtime exec failed: exec failed: unable to start container process: exec: "nosuch": executable file not found in $PATH',
  );
});

test("mounts of the wrong kind", () => {
  const failure = startFailure(failed("bind", 20, "bind /a at /b"), "sh", "container");
  assert.equal(
    failure.error.message,
    `${CREATE}error mounting: bind /a at /b: not a directory: Are you trying to mount a directory onto a file (or vice-versa)? Check if the specified host path exists and is the expected type`,
  );
  assert.equal(failure.exitCode, 127);
});

test("anything else keeps its own words", () => {
  const conflict = new GantryError("conflict", "port is already allocated");
  assert.deepEqual(startFailure(conflict, "sh", "container"), { error: conflict, exitCode: 128 });
  const plain = startFailure(new Error("boom"), "sh", "container");
  assert.equal(plain.error.code, "internal");
  assert.equal(plain.error.message, "boom");
});
