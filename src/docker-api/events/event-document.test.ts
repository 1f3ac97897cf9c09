import assert from "node:assert/strict";
import { test } from "node:test";
import type { EngineEvent } from "#containers/engine.ts";
import { parseFilters } from "#formats/docker-filters.ts";
import { eventDocument, matchesEvent } from "./event-document.ts";

const start: EngineEvent = {
  type: "container",
  action: "start",
  actorId: "abc123",
  attributes: { image: "busybox:1", name: "web", tier: "front" },
  timeNanos: 1_700_000_000_123_456_789n,
};
const matches = (event: EngineEvent, filters: object): boolean =>
  matchesEvent(event, parseFilters(JSON.stringify(filters)));

test("the message keeps nanoseconds exact and carries the old fields", () => {
  assert.equal(
    JSON.stringify(eventDocument(start, 51)),
    '{"status":"start","id":"abc123","from":"busybox:1","Type":"container","Action":"start","Actor":{"ID":"abc123","Attributes":{"image":"busybox:1","name":"web","tier":"front"}},"scope":"local","time":1700000000,"timeNano":1700000000123456789}',
  );
});

test("filters", () => {
  assert.ok(matches(start, {}));
  assert.ok(
    matches(start, { container: ["web"], event: ["start", "die"], type: ["container"], label: ["tier=front"] }),
  );
  assert.ok(matches(start, { container: ["abc"] }));
  assert.ok(matches(start, { image: ["busybox"] }));
  assert.ok(!matches(start, { container: ["other"] }));
  assert.ok(!matches(start, { volume: ["web"] }));
  assert.ok(!matches(start, { event: ["die"] }));
  assert.ok(matches({ ...start, action: "exec_create: sh" }, { event: ["exec_create"] }));
});
