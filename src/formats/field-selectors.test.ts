import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { checkFieldSelector, formatFieldSelector, matchesFields, parseFieldSelector } from "./field-selectors.ts";
import type { KubeObject } from "./kube-object.ts";

const pod = {
  metadata: { name: "web", namespace: "default" },
  spec: { nodeName: "n1" },
  status: { phase: "Running", podIPs: [{ ip: "10.0.0.1" }, { ip: "fd00::1" }] },
} as KubeObject;

test("pods are selected by their fields", () => {
  const cases: readonly [string, boolean][] = [
    ["", true],
    ["metadata.name=web", true],
    ["metadata.name!=web", false],
    ["spec.nodeName=n1,status.phase!=Failed", true],
    ["spec.nodeName==n2", false],
    ["spec.hostNetwork=false", true],
    ["status.nominatedNodeName=", true],
    ["status.podIPs=10.0.0.1\\,fd00::1", true],
  ];
  for (const [text, wanted] of cases) {
    assert.equal(matchesFields(parseFieldSelector(text), "", "Pod", pod), wanted, text);
  }
});

test("unknown fields and broken selectors are refused", () => {
  assert.throws(() => checkFieldSelector(parseFieldSelector("spec.foo=1"), "", "Pod"), {
    message: "field label not supported: spec.foo",
  });
  assert.throws(() => checkFieldSelector(parseFieldSelector("spec.foo=1"), "apps", "Deployment"), {
    message: '"spec.foo" is not a known field selector: only "metadata.name", "metadata.namespace"',
  });
  assert.throws(() => parseFieldSelector("foo"), { message: "invalid selector: 'foo'; can't understand 'foo'" });
  assert.throws(() => parseFieldSelector("a=b=c"), /unescaped character in value: =/);
  assert.throws(() => parseFieldSelector("a=\\b"), /invalid escape sequence/);
});

test("property: text reads back", () => {
  const requirement = fc.record({
    field: fc.stringMatching(/^[a-z.]{1,8}$/),
    negated: fc.boolean(),
    value: fc.string(),
  });
  fc.assert(
    fc.property(fc.array(requirement), (list) => {
      assert.deepEqual(
        parseFieldSelector(formatFieldSelector(list)),
        list.map((item) => ({ ...item })),
      );
    }),
  );
});
