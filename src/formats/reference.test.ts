import assert from "node:assert/strict";
import { test } from "node:test";
import {
  familiarString,
  parseAnyReference,
  parseReference,
  referenceString,
  withDefaultTag,
  withTag,
} from "./reference.ts";

const HEX = "7cc4b5aefd1d0cadf8d97d4350462ba51c694ebca145b08d7d41b41acc8db5aa";

test("names are normalised and made familiar again", () => {
  const cases: [string, string, string][] = [
    ["busybox", "docker.io/library/busybox", "busybox"],
    ["busybox:1.36", "docker.io/library/busybox:1.36", "busybox:1.36"],
    ["docker.io/busybox", "docker.io/library/busybox", "busybox"],
    ["index.docker.io/library/busybox", "docker.io/library/busybox", "busybox"],
    ["docker.io/library/distros/x", "docker.io/library/distros/x", "library/distros/x"],
    ["team/app", "docker.io/team/app", "team/app"],
    ["localhost/app", "localhost/app", "localhost/app"],
    ["localhost:5000/app:v1", "localhost:5000/app:v1", "localhost:5000/app:v1"],
    ["[2001:db8::1]:5000/app", "[2001:db8::1]:5000/app", "[2001:db8::1]:5000/app"],
    ["Example/app", "Example/app", "Example/app"],
    ["example.com/a__b/c--d/e.f", "example.com/a__b/c--d/e.f", "example.com/a__b/c--d/e.f"],
    [`busybox@sha256:${HEX}`, `docker.io/library/busybox@sha256:${HEX}`, `busybox@sha256:${HEX}`],
    [`a/b:t@sha256:${HEX}`, `docker.io/a/b:t@sha256:${HEX}`, `a/b:t@sha256:${HEX}`],
  ];
  for (const [text, full, familiar] of cases) {
    const reference = parseReference(text);
    assert.equal(referenceString(reference), full);
    assert.equal(familiarString(reference), familiar);
    assert.deepEqual(parseReference(full), reference);
  }
});

test("bad names are refused in Docker's words", () => {
  const cases: [string, string][] = [
    ["", "invalid reference format"],
    ["busybox:", "invalid reference format"],
    [":tag", "invalid reference format"],
    ["a//b", "invalid reference format"],
    ["a/../b", "invalid reference format"],
    ["-a", "invalid reference format"],
    ["a___b", "invalid reference format"],
    ["a b", "invalid reference format"],
    [`a:${"t".repeat(129)}`, "invalid reference format"],
    [`${"a".repeat(70_000)}/b`, "invalid reference format"],
    ["Busybox", "invalid reference format: repository name (library/Busybox) must be lowercase"],
    ["team/App:v1", "invalid reference format: repository name (team/App) must be lowercase"],
    [HEX, `invalid repository name (${HEX}), cannot specify 64-byte hexadecimal strings`],
    [`a/${"b".repeat(255)}`, "repository name must not be more than 255 characters"],
    [`a@sha256:${HEX}0`, "invalid checksum digest length"],
    [`a@md5:${HEX}`, "unsupported digest algorithm"],
  ];
  for (const [text, message] of cases) assert.throws(() => parseReference(text), { code: "invalid", message }, text);
});

test("ids and digests are told from names", () => {
  assert.deepEqual(parseAnyReference(HEX), { kind: "digest", digest: `sha256:${HEX}` });
  assert.deepEqual(parseAnyReference(`sha256:${HEX}`), { kind: "digest", digest: `sha256:${HEX}` });
  const short = parseAnyReference("7cc4b5aefd1d");
  assert.equal(short.kind, "named");
});

test("tags", () => {
  const reference = parseReference("busybox");
  assert.equal(referenceString(withDefaultTag(reference)), "docker.io/library/busybox:latest");
  const pinned = parseReference(`busybox@sha256:${HEX}`);
  assert.equal(withDefaultTag(pinned), pinned);
  assert.equal(referenceString(withTag(pinned, "v2")), "docker.io/library/busybox:v2");
  assert.throws(() => withTag(reference, "a/b"), { code: "invalid", message: "invalid tag format" });
});
