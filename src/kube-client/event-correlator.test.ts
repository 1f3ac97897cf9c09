import assert from "node:assert/strict";
import { test } from "node:test";
import type { Event } from "#formats/kube-types.generated.ts";
import { eventCorrelator } from "./event-correlator.ts";

function event(message: string, reason = "Failed"): Event {
  return {
    metadata: {},
    involvedObject: { kind: "Pod", name: "p", uid: "u" },
    source: { component: "kubelet" },
    type: "Warning",
    reason,
    message,
  };
}

test("the same event again raises its count", () => {
  const correlator = eventCorrelator();
  const first = correlator.correlate(event("no"), 0);
  assert.equal(first.kind, "create");
  if (first.kind === "create") correlator.written(first.key, "p.1", 1);
  const second = correlator.correlate(event("no"), 1000);
  assert.deepEqual(second.kind === "count" && [second.name, second.count, second.message], ["p.1", 2, "no"]);
});

test("ten that differ only in their message become one; after ten quiet minutes they are new again", () => {
  const correlator = eventCorrelator();
  const messages = Array.from({ length: 12 }, (_, index) => {
    const result = correlator.correlate(event(`no ${index}`), index);
    if (result.kind === "create") correlator.written(result.key, `p.${index}`, 1);
    return result.kind === "drop" ? "" : `${result.kind} ${result.message}`;
  });
  assert.equal(messages[8], "create no 8");
  assert.equal(messages[9], "create (combined from similar events): no 9");
  assert.equal(messages[10], "count (combined from similar events): no 10");
  const later = correlator.correlate(event("no 99"), 3_600_000);
  assert.equal(later.kind === "create" && later.message, "no 99");
});

test("a source may say 25 things about an object at once, then one each five minutes", () => {
  const correlator = eventCorrelator();
  const kinds = Array.from({ length: 27 }, (_, index) => correlator.correlate(event("x", `R${index}`), 0).kind);
  assert.deepEqual(kinds.slice(24), ["create", "drop", "drop"]);
  assert.equal(correlator.correlate(event("x", "R99"), 299_000).kind, "drop");
  assert.equal(correlator.correlate(event("x", "R99"), 300_000).kind, "create");
});
