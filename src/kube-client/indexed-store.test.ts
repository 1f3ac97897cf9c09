import assert from "node:assert/strict";
import { test } from "node:test";
import type { KubeObject } from "#formats/kube-object.ts";
import { indexedStore } from "./indexed-store.ts";

const object = (namespace: string, name: string, team: string): KubeObject => ({
  metadata: { namespace, name, labels: { team } },
});
const names = (objects: readonly KubeObject[]): string[] => objects.map(({ metadata }) => metadata.name ?? "").sort();

test("indexes follow every change, whether they were there first or not", () => {
  const store = indexedStore<KubeObject>();
  store.put(object("a", "x", "red"));
  store.addIndex("team", ({ metadata }) => [metadata.labels?.["team"] ?? ""]);
  store.put(object("a", "y", "red"));
  store.put(object("b", "z", "blue"));
  assert.deepEqual(names(store.byIndex("team", "red")), ["x", "y"]);
  assert.deepEqual(names(store.inNamespace("a")), ["x", "y"]);
  const before = store.put(object("a", "x", "blue"));
  assert.equal(before?.metadata.labels?.["team"], "red");
  assert.deepEqual(names(store.byIndex("team", "red")), ["y"]);
  assert.deepEqual(names(store.byIndex("team", "blue")), ["x", "z"]);
  assert.equal(
    store.byIndex("team", "blue").find(({ metadata }) => metadata.name === "x"),
    store.get("a/x"),
  );
  store.remove("a/y");
  assert.deepEqual(store.byIndex("team", "red"), []);
  assert.deepEqual(names(store.inNamespace("a")), ["x"]);
  assert.equal(store.size, 2);
  assert.equal(store.remove("a/y"), undefined);
});
