import assert from "node:assert/strict";
import { test } from "node:test";
import { parseChallenges } from "./challenge.ts";

function plain(header: string): [string, Record<string, string>][] {
  return parseChallenges(header).map(({ scheme, parameters }) => [scheme, Object.fromEntries(parameters)]);
}

test("challenges of every form", () => {
  assert.deepEqual(
    plain('Bearer realm="https://auth.example/token",service="registry.example",scope="repository:a/b:pull,push"'),
    [
      [
        "bearer",
        { realm: "https://auth.example/token", service: "registry.example", scope: "repository:a/b:pull,push" },
      ],
    ],
  );
  assert.deepEqual(plain('Basic realm="a \\"b\\"", Bearer realm=x , service = "y"'), [
    ["basic", { realm: 'a "b"' }],
    ["bearer", { realm: "x", service: "y" }],
  ]);
  assert.deepEqual(plain("Negotiate, Basic realm=x"), [
    ["negotiate", {}],
    ["basic", { realm: "x" }],
  ]);
  assert.deepEqual(plain('Basic realm="never closed'), [["basic", {}]]);
  assert.deepEqual(plain(""), []);
  assert.deepEqual(plain('="'), []);
});

test("a hostile header costs no time", () => {
  const start = performance.now();
  for (const header of [
    `Basic ${"a=b".repeat(5000)}"`,
    `${"a ".repeat(5000)}"`,
    `Basic a="${"\\".repeat(8001)}`,
    `${",".repeat(8000)}"`,
  ]) {
    parseChallenges(header);
  }
  assert(performance.now() - start < 500);
});
