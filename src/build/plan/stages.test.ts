import assert from "node:assert/strict";
import { test } from "node:test";
import { parseDockerfile } from "#formats/dockerfile.ts";
import { planStages } from "./stages.ts";

const plan = (text: string, target = "", meta = new Map<string, string>()): number[] =>
  planStages(parseDockerfile(text), target, meta).map(({ index }) => index);

test("only the stages that the target needs are built", () => {
  const file =
    "FROM a AS one\nFROM b AS two\nFROM c AS three\nCOPY --from=one /x /y\nFROM scratch AS last\nCOPY --from=2 /y /z\n";
  assert.deepEqual(plan(file), [0, 2, 3]);
  assert.deepEqual(plan(file, "two"), [1]);
  assert.deepEqual(plan(file, "2"), [0, 2]);
});

test("bases: earlier stages, images, variables", () => {
  const bases = planStages(
    parseDockerfile("ARG V\nFROM x:$V AS base\nFROM base\nFROM scratch\n"),
    "1",
    new Map([["V", "7"]]),
  ).map(({ base }) => base);
  assert.deepEqual(bases, [
    { kind: "image", reference: "x:7" },
    { kind: "stage", index: 0 },
  ]);
});

test("unknown targets and blank bases are refused in BuildKit's words", () => {
  assert.throws(() => plan("FROM a\n", "nope"), { message: 'target stage "nope" could not be found' });
  assert.throws(() => plan("FROM $NONE\n"), { message: "base name ($NONE) should not be blank" });
});
