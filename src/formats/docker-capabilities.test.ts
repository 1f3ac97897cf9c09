import assert from "node:assert/strict";
import { test } from "node:test";
import { ALL_CAPABILITIES, DEFAULT_CAPABILITIES, containerCapabilities } from "./docker-capabilities.ts";

const none = { privileged: false, add: [], drop: [] };

test("the default set, additions and drops", () => {
  assert.deepEqual(containerCapabilities(none), DEFAULT_CAPABILITIES);
  assert.ok(containerCapabilities({ ...none, add: ["net_admin"] }).includes("CAP_NET_ADMIN"));
  assert.ok(!containerCapabilities({ ...none, drop: ["CAP_CHOWN"] }).includes("CAP_CHOWN"));
});

test("ALL on either side is taken before the single names", () => {
  assert.deepEqual(containerCapabilities({ ...none, drop: ["ALL"], add: ["SETUID"] }), ["CAP_SETUID"]);
  assert.equal(
    containerCapabilities({ ...none, add: ["all"], drop: ["SYS_ADMIN"] }).length,
    ALL_CAPABILITIES.length - 1,
  );
  assert.equal(containerCapabilities({ ...none, privileged: true, drop: ["ALL"] }).length, ALL_CAPABILITIES.length);
});

test("an unknown name is refused with its field", () => {
  assert.throws(() => containerCapabilities({ ...none, add: ["nope"] }), {
    message: 'invalid CapAdd: unknown capability: "CAP_NOPE"',
  });
  assert.throws(() => containerCapabilities({ ...none, drop: ["x"] }), {
    message: 'invalid CapDrop: unknown capability: "CAP_X"',
  });
});
