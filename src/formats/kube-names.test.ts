import assert from "node:assert/strict";
import { test } from "node:test";
import * as names from "./kube-names.ts";

test("DNS labels", () => {
  assert.deepEqual(names.isDnsLabel("a-1"), []);
  assert.deepEqual(names.isDnsLabel("a.b"), ["must not contain dots"]);
  assert.deepEqual(names.isDnsLabel("My_Name"), [
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')",
  ]);
  assert.deepEqual(names.isDnsLabel("a".repeat(64)), ["must be no more than 63 characters"]);
});

test("DNS subdomains", () => {
  assert.deepEqual(names.isDnsSubdomain("a.b-c.d"), []);
  assert.deepEqual(names.isDnsSubdomain("A"), [
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
  ]);
  assert.deepEqual(names.isDns1035Label("1a").length, 1);
  assert.deepEqual(names.isWildcardSubdomain("*.a.b"), []);
  assert.equal(names.isWildcardSubdomain("a.b").length, 1);
});

test("qualified names and label values", () => {
  for (const ok of ["a", "A_b.c-d", "example.com/a", "1"]) assert.deepEqual(names.isQualifiedName(ok), [], ok);
  assert.deepEqual(names.isQualifiedName("/a"), ["prefix part must be non-empty"]);
  assert.equal(names.isQualifiedName("a/b/c").length, 1);
  assert.equal(names.isQualifiedName("")[0], "name part must be non-empty");
  assert.deepEqual(names.isQualifiedName("a".repeat(64)), ["name part must be no more than 63 bytes"]);
  assert.match(names.isQualifiedName("__proto__")[0] ?? "", /^name part must consist of alphanumeric/);
  for (const ok of ["", "a", "v1.2_x"]) assert.deepEqual(names.isLabelValue(ok), [], ok);
  assert.equal(names.isLabelValue("-a").length, 1);
});

test("ports, percentages, keys, addresses", () => {
  assert.deepEqual(names.isPortName("http-1"), []);
  assert.deepEqual(names.isPortName("-1--2"), [
    "must contain at least one letter (a-z)",
    "must not contain consecutive hyphens",
    "must not begin or end with a hyphen",
  ]);
  assert.deepEqual(names.isPortNumber(0), ["must be between 1 and 65535, inclusive"]);
  assert.deepEqual(names.isPercent("25%"), []);
  assert.equal(names.isPercent("25").length, 1);
  assert.deepEqual(names.isConfigMapKey("..a"), ["must not start with '..'"]);
  assert.equal(names.isConfigMapKey("a/b").length, 1);
  assert.deepEqual(names.isIpAddress("10.9.8.7"), []);
  assert.equal(names.isIpAddress("10.9.8.256").length, 1);
  assert.deepEqual(names.isCidr("fd00::/64"), []);
  assert.equal(names.isCidr("10.0.0.0/33").length, 1);
  assert.equal(names.isCidr("10.0.0.0").length, 1);
  assert.deepEqual(names.isPathSegment("a/b"), ["may not contain '/'"]);
  assert.equal(names.isEnvVarName("A=B").length, 1);
  assert.deepEqual(names.isEnvVarName("a b"), []);
});
