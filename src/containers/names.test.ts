import assert from "node:assert/strict";
import { test } from "node:test";
import { isGantryError } from "#base/errors.ts";
import { seededRandom } from "#base/random.ts";
import { checkContainerName, generateName, nameInUse } from "./names.ts";

test("names follow Docker's pattern", () => {
  for (const name of ["web", "a1", "A.b-c_d", "0x"]) checkContainerName(name);
  for (const name of ["", "a", "-web", "we b", "a/b", "web\n", "Ünïcode", "..", "/web"])
    assert.throws(
      () => checkContainerName(name),
      (error) => isGantryError(error, "invalid") && error.message.startsWith(`Invalid container name (${name})`),
    );
});

test("a name in use is refused in Docker's words", () => {
  assert.equal(
    nameInUse("web", "abc").message,
    'Conflict. The container name "/web" is already in use by container "abc". You have to remove (or rename) that container to be able to reuse that name.',
  );
});

test("generated names are valid, avoid what is taken, and fall back to the id", () => {
  const random = seededRandom(1);
  const taken = new Set<string>();
  for (let count = 0; count < 500; count++) {
    const name = generateName("0123456789abcdef", (candidate) => taken.has(candidate), random);
    checkContainerName(name);
    assert.ok(!taken.has(name));
    taken.add(name);
  }
  assert.equal(
    generateName("0123456789abcdef", () => true, random),
    "0123456789ab",
  );
});
