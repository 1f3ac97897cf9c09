import assert from "node:assert/strict";
import { test } from "node:test";
import { nodeAccess } from "./attributes.ts";

test("each path of the kubelet has the right that guards it", () => {
  const table: Record<string, string[]> = {
    "/healthz": ["healthz", "proxy"],
    "/healthz/ping": ["healthz", "proxy"],
    "/pods": ["pods", "proxy"],
    "/runningpods/": ["pods", "proxy"],
    "/configz": ["configz", "proxy"],
    "/stats/summary": ["stats"],
    "/metrics/cadvisor": ["metrics"],
    "/logs/": ["log"],
    "/checkpoint/a/b/c": ["checkpoint"],
    "/containerLogs/a/b/c": ["proxy"],
    "/exec/a/b/c": ["proxy"],
    "/constructor": ["proxy"],
    "//pods": ["proxy"],
  };
  for (const [path, subresources] of Object.entries(table))
    assert.deepEqual(nodeAccess("GET", path), { verb: "get", subresources }, path);
  assert.equal(nodeAccess("POST", "/run/a/b/c").verb, "create");
  assert.equal(nodeAccess("BREW", "/pods").verb, "brew");
});
