import assert from "node:assert/strict";
import { test } from "node:test";
import { hash } from "bcryptjs";
import { parseHtpasswd } from "./htpasswd.ts";

test("bcrypt entries decide; nobody else comes in", async () => {
  const check = parseHtpasswd(`# people\n\nme:${await hash("secret", 4)}\nyou:${await hash("other", 4)}\r\n`);
  assert.equal(await check({ username: "me", password: "secret" }), true);
  assert.equal(await check({ username: "me", password: "secret" }), true, "and again, remembered");
  assert.equal(await check({ username: "me", password: "other" }), false);
  assert.equal(await check({ username: "you", password: "other" }), true);
  assert.equal(await check({ username: "them", password: "secret" }), false);
  assert.equal(await check(undefined), false);
});

test("other hashes are refused, with their line", () => {
  assert.throws(() => parseHtpasswd("me:$apr1$abc$def"), /htpasswd line 1: only bcrypt is supported/);
  assert.throws(() => parseHtpasswd("\nme"), /htpasswd line 2: wanted user:hash/);
  assert.throws(() => parseHtpasswd("me:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g="), /only bcrypt/);
});
