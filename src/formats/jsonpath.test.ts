import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { GantryError } from "#base/errors.ts";
import { compileJsonPath } from "./jsonpath.ts";

const DATA = {
  kind: "List",
  items: [
    {
      kind: "None",
      metadata: { name: "127.0.0.1", labels: { "kubernetes.io/hostname": "127.0.0.1" } },
      status: { capacity: { cpu: "4" }, addresses: [{ type: "LegacyHostIP", address: "127.0.0.1" }], ready: true },
    },
    {
      kind: "None",
      metadata: { name: "127.0.0.2" },
      status: {
        capacity: { cpu: "8" },
        addresses: [
          { type: "LegacyHostIP", address: "127.0.0.2" },
          { type: "another", address: "127.0.0.3" },
        ],
      },
    },
  ],
  users: [
    { name: "myself", age: 10 },
    { name: "e2e", age: 20 },
  ],
};

// https://kubernetes.io/docs/reference/kubectl/jsonpath/ and client-go's jsonpath_test.go
const CASES: readonly [string, string][] = [
  ["kind is {.kind}", "kind is List"],
  ["{.items[*].metadata.name}", "127.0.0.1 127.0.0.2"],
  ["{.items[0].metadata.name}", "127.0.0.1"],
  ["{.items[-1].metadata.name}", "127.0.0.2"],
  ["{.items[0:1].metadata.name}", "127.0.0.1"],
  ["{.items[::2].metadata.name}", "127.0.0.1"],
  ['{.users[?(@.name=="e2e")].age}', "20"],
  ["{.users[?(@.age>10)].name}", "e2e"],
  ["{.users[?(@.age != 20)].name}", "myself"],
  ["{.items[?(@.status.ready)].metadata.name}", "127.0.0.1"],
  ["{.items[?(@.status.ready==true)].metadata.name}", "127.0.0.1"],
  [
    "{range .items[*]}[{.metadata.name}, {.status.capacity}] {end}",
    '[127.0.0.1, {"cpu":"4"}] [127.0.0.2, {"cpu":"8"}] ',
  ],
  ['{range .items[*]}{.metadata.name}{"\\t"}{.status.capacity.cpu}{"\\n"}{end}', "127.0.0.1\t4\n127.0.0.2\t8\n"],
  ["{.items[*]['metadata.name', 'status.capacity']}", ""],
  ["{.items[*].metadata['name', 'labels']}", '127.0.0.1 {"kubernetes.io/hostname":"127.0.0.1"} 127.0.0.2'],
  ["{.items[0].metadata.labels.kubernetes\\.io/hostname}", "127.0.0.1"],
  ["{.items[0].metadata.labels['kubernetes.io/hostname']}", "127.0.0.1"],
  ["{..name}", "127.0.0.1 127.0.0.2 myself e2e"],
  ["{$.kind}", "List"],
  ["{.items[*].status.addresses[?(@.type=='another')].address}", "127.0.0.3"],
  ["{.users[0,1].name}", "myself e2e"],
  ["{.nothing.here}", ""],
  ["plain", "plain"],
];

for (const [template, wanted] of CASES) {
  test(`jsonpath ${template}`, () => assert.equal(compileJsonPath(template).print(DATA), wanted));
}

test("missing fields are named when they may not be missing", () => {
  const strict = { allowMissing: false };
  assert.throws(() => compileJsonPath("{.hello}", strict).print(DATA), {
    code: "not-found",
    message: "hello is not found",
  });
  assert.throws(() => compileJsonPath("{.users[7].name}", strict).print(DATA), {
    message: "array index out of bounds: index 7, length 2",
  });
});

test("broken templates are refused", () => {
  for (const template of ["{.a", "{.a[}", "{range .a}", "{end}", "{.a[?(@.b==1]}", "{.a[x]}", "{.a[1:2:0]}"]) {
    assert.throws(() => compileJsonPath(template), { code: "invalid" }, template);
  }
});

test("property: any template and any value: text, or one of our errors", () => {
  const template = fc.stringMatching(/^\{?[.a-z[\]*?(@=)'"0-9:{}$, ]{0,25}\}?$/);
  fc.assert(
    fc.property(template, fc.jsonValue(), (text, value) => {
      try {
        assert.equal(typeof compileJsonPath(text).print(value), "string");
      } catch (error) {
        assert.ok(error instanceof GantryError, String(error));
      }
    }),
  );
});
