import assert from "node:assert/strict";
import { test } from "node:test";
import {
  chainIds,
  digester,
  digestOf,
  EMPTY_DIGEST,
  EMPTY_LAYER_DIFF_ID,
  isDigest,
  parseDigest,
  shortId,
} from "./digest.ts";

test("digests are parsed strictly", () => {
  const hex = "a".repeat(64);
  assert.deepEqual(parseDigest(`sha256:${hex}`), { algorithm: "sha256", hex });
  assert.equal(parseDigest(`sha512:${"b".repeat(128)}`).algorithm, "sha512");
  const cases: [unknown, string][] = [
    [undefined, "invalid checksum digest format"],
    [hex, "invalid checksum digest format"],
    [`sha256:${hex}/../../etc/passwd`, "invalid checksum digest format"],
    [`sha256:${hex.slice(1)}`, "invalid checksum digest length"],
    [`sha256:${"A".repeat(64)}`, "invalid checksum digest format"],
    [`__proto__:${hex}`, "invalid checksum digest format"],
    [`constructor:${hex}`, "unsupported digest algorithm"],
    [`sha256:${"a".repeat(1000)}`, "invalid checksum digest format"],
  ];
  for (const [text, message] of cases) {
    assert.throws(() => parseDigest(text), { code: "invalid", message });
    assert.equal(isDigest(text), false);
  }
});

test("digests of known bytes", () => {
  assert.equal(digestOf(""), EMPTY_DIGEST);
  assert.equal(digestOf(Buffer.alloc(1024)), EMPTY_LAYER_DIFF_ID);
  const pieces = digester("sha512");
  pieces.update(Buffer.from("a"));
  pieces.update(Buffer.from("bc"));
  assert.equal(pieces.digest(), digestOf("abc", "sha512"));
  assert.equal(shortId(EMPTY_DIGEST), "e3b0c44298fc");
});

test("a chain id hashes the chain below and the layer's own digest", () => {
  const [a, b, c] = [digestOf("a"), digestOf("b"), digestOf("c")];
  const second = digestOf(`${a} ${b}`);
  assert.deepEqual(chainIds([a, b, c]), [a, second, digestOf(`${second} ${c}`)]);
  assert.deepEqual(chainIds([]), []);
});
