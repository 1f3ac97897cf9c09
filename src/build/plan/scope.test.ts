import assert from "node:assert/strict";
import { test } from "node:test";
import { metaScope, platformArgs, stageScope, unusedArgs } from "./scope.ts";

const arm = { os: "linux", architecture: "arm64", variant: "v8" };
const automatic = platformArgs(arm, arm, "final");

test("arguments before the first FROM see each other and give way to build arguments", () => {
  const scope = metaScope(
    [{ name: "A", value: "1" }, { name: "B", value: "${A}-${TARGETARCH}" }, { name: "C" }],
    new Map([["C", "given"]]),
    automatic,
    "\\",
  );
  assert.deepEqual([scope.get("A"), scope.get("B"), scope.get("C")], ["1", "1-arm64", "given"]);
});

test("a stage sees what it declares; ENV wins over ARG", () => {
  const scope = stageScope(
    new Map([
      ["X", "given"],
      ["HTTP_PROXY", "p"],
    ]),
    new Map([["M", "meta"]]),
  );
  const see = (name: string, env: string[] = []): string | undefined => scope.lookup(env)(name);
  assert.equal(see("X"), undefined);
  scope.declare("X", "default");
  scope.declare("M", undefined);
  scope.declare("N", undefined);
  assert.deepEqual([see("X"), see("M"), see("N"), see("X", ["X=env"])], ["given", "meta", undefined, "env"]);
  assert.deepEqual(scope.runArgs(), [
    ["HTTP_PROXY", "p"],
    ["X", "given"],
    ["M", "meta"],
  ]);
  assert.deepEqual(scope.cacheArgs(), [
    ["X", "given"],
    ["M", "meta"],
  ]);
});

test("arguments that nothing took", () => {
  assert.deepEqual(
    unusedArgs(
      new Map([
        ["A", ""],
        ["B", ""],
        ["NO_PROXY", ""],
      ]),
      new Set(["B"]),
    ),
    ["A"],
  );
});
