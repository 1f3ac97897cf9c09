import assert from "node:assert/strict";
import { test } from "node:test";
import { parseRestartPolicy } from "./docker-restart-policy.ts";

test("the four policies", () => {
  assert.deepEqual(parseRestartPolicy(undefined, false), { kind: "no" });
  assert.deepEqual(parseRestartPolicy({ Name: "always" }, false), { kind: "always" });
  assert.deepEqual(parseRestartPolicy({ Name: "on-failure", MaximumRetryCount: 3 }, false), {
    kind: "on-failure",
    maximumRetries: 3,
  });
});

test("what Docker refuses, in its words", () => {
  const refused = (document: object, message: string, autoRemove = false): void =>
    assert.throws(() => parseRestartPolicy(document, autoRemove), { code: "invalid", message });
  refused(
    { Name: "always", MaximumRetryCount: 2 },
    "invalid restart policy: maximum retry count can only be used with 'on-failure'",
  );
  refused(
    { Name: "no", MaximumRetryCount: -1 },
    "invalid restart policy: maximum retry count can only be used with 'on-failure' and cannot be negative",
  );
  refused(
    { Name: "on-failure", MaximumRetryCount: -1 },
    "invalid restart policy: maximum retry count cannot be negative",
  );
  refused(
    { Name: "x" },
    "invalid restart policy: unknown policy 'x'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'",
  );
  refused({ Name: "always" }, "can't create 'AutoRemove' container with restart policy", true);
});
