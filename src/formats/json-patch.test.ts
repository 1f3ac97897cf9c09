import assert from "node:assert/strict";
import { test } from "node:test";
import { applyJsonPatch, readJsonPatch, type PatchOperation } from "./json-patch.ts";

// RFC 6902, appendix A, and upstream's own cases.
const CASES: readonly [unknown, readonly PatchOperation[], unknown][] = [
  [{ foo: "bar" }, [{ op: "add", path: "/baz", value: "qux" }], { foo: "bar", baz: "qux" }],
  [{ foo: ["bar", "baz"] }, [{ op: "add", path: "/foo/1", value: "qux" }], { foo: ["bar", "qux", "baz"] }],
  [{ baz: "qux", foo: "bar" }, [{ op: "remove", path: "/baz" }], { foo: "bar" }],
  [{ foo: ["bar", "qux", "baz"] }, [{ op: "remove", path: "/foo/1" }], { foo: ["bar", "baz"] }],
  [{ baz: "qux" }, [{ op: "replace", path: "/baz", value: "boo" }], { baz: "boo" }],
  [
    { foo: { bar: "baz", waldo: "fred" }, qux: {} },
    [{ op: "move", from: "/foo/waldo", path: "/qux/thud" }],
    { foo: { bar: "baz" }, qux: { thud: "fred" } },
  ],
  [
    { foo: ["all", "grass", "cows", "eat"] },
    [{ op: "move", from: "/foo/1", path: "/foo/3" }],
    { foo: ["all", "cows", "eat", "grass"] },
  ],
  [
    { baz: "qux", foo: ["a", 2] },
    [
      { op: "test", path: "/baz", value: "qux" },
      { op: "test", path: "/foo/1", value: 2 },
    ],
    { baz: "qux", foo: ["a", 2] },
  ],
  [
    { foo: "bar" },
    [{ op: "add", path: "/child", value: { grandchild: {} } }],
    { foo: "bar", child: { grandchild: {} } },
  ],
  [
    { "/": 9, "~1": 10 },
    [
      { op: "test", path: "/~01", value: 10 },
      { op: "test", path: "/~1", value: 9 },
    ],
    { "/": 9, "~1": 10 },
  ],
  [{ foo: ["bar"] }, [{ op: "add", path: "/foo/-", value: ["abc"] }], { foo: ["bar", ["abc"]] }],
  [{ foo: [1, 2, 3] }, [{ op: "remove", path: "/foo/-1" }], { foo: [1, 2] }],
  [{ foo: [1, 2] }, [{ op: "add", path: "/foo/-1", value: 3 }], { foo: [1, 2, 3] }],
  [
    { a: { b: 1 } },
    [
      { op: "copy", from: "/a", path: "/c" },
      { op: "replace", path: "/c/b", value: 2 },
    ],
    { a: { b: 1 }, c: { b: 2 } },
  ],
  [{ a: 1 }, [{ op: "replace", path: "", value: { b: 2 } }], { b: 2 }],
  [{ a: 1 }, [{ op: "add", path: "/b", value: null }], { a: 1, b: null }],
  [{}, [{ op: "test", path: "/a", value: null }], {}],
];

for (const [document, patch, wanted] of CASES) {
  test(`json patch ${JSON.stringify(patch)}`, () => {
    const before = JSON.stringify(document);
    assert.deepEqual(applyJsonPatch(document, patch), wanted);
    assert.equal(JSON.stringify(document), before);
  });
}

const FAILURES: readonly [unknown, PatchOperation, string][] = [
  [{ baz: "qux" }, { op: "test", path: "/baz", value: "bar" }, "testing value /baz failed: test failed"],
  [
    { foo: "bar" },
    { op: "add", path: "/baz/bat", value: 1 },
    'add operation does not apply: doc is missing path: "/baz/bat": missing value',
  ],
  [
    {},
    { op: "remove", path: "/x" },
    "error in remove for path: '/x': Unable to remove nonexistent key: x: missing value",
  ],
  [
    {},
    { op: "replace", path: "/x", value: 1 },
    "replace operation does not apply: doc is missing key: /x: missing value",
  ],
  [
    { a: [1] },
    { op: "add", path: "/a/3", value: 1 },
    "error in add for path: '/a/3': Unable to access invalid index: 3: invalid index referenced",
  ],
  [
    { a: [1] },
    { op: "remove", path: "/a/x" },
    "error in remove for path: '/a/x': value was not a proper array index: 'x': strconv.Atoi: parsing \"x\": invalid syntax",
  ],
  [
    {},
    { op: "move", from: "/x", path: "/y" },
    "error in move for path: 'x': Unable to remove nonexistent key: x: missing value",
  ],
  [
    {},
    { op: "copy", from: "/x/y", path: "/y" },
    "copy operation does not apply: doc is missing from path: /x/y: missing value",
  ],
  [{}, { op: "spam" as "add", path: "/y" }, "Unexpected kind: spam"],
  [{}, { op: "add" } as PatchOperation, "add operation failed to decode path: missing value"],
];

for (const [document, operation, message] of FAILURES) {
  test(`json patch that does not apply: ${message}`, () => {
    assert.throws(() => applyJsonPatch(document, [operation]), { code: "invalid", message });
  });
}

test("patches are bounded", () => {
  const operation = { op: "test", path: "/a", value: null };
  assert.throws(() => readJsonPatch(Array.from({ length: 10_001 }, () => operation)), {
    code: "too-large",
    message: "The allowed maximum operations in a JSON patch is 10000, got 10001",
  });
  assert.throws(() => readJsonPatch({}), { code: "invalid" });
  assert.throws(() => readJsonPatch([1]), { code: "invalid" });
  const double: PatchOperation[] = Array.from({ length: 40 }, (_, index) => ({
    op: "copy",
    from: "/a",
    path: `/a/k${index}`,
  }));
  assert.throws(() => applyJsonPatch({ a: { b: "x".repeat(1000) } }, double), /exceeding the limit 3145728/);
});

test("prototypes are out of reach", () => {
  const out = applyJsonPatch({}, [{ op: "add", path: "/__proto__", value: { polluted: 1 } }]) as Record<
    string,
    unknown
  >;
  assert.equal(out["polluted"], undefined);
  assert.throws(() => applyJsonPatch({}, [{ op: "add", path: "/constructor/prototype/x", value: 1 }]), /missing path/);
  assert.equal(({} as Record<string, unknown>)["polluted"], undefined);
});
