import assert from "node:assert/strict";
import { test } from "node:test";
import { detailsText, logAttributes, unknownTagField } from "./log-attributes.ts";

const facts = {
  id: "ab".repeat(32),
  name: "web",
  image: "nginx:1",
  imageId: "sha256:1234567890",
  command: "nginx -g",
  daemon: "gantry",
};
const log = { driver: "json-file", maxBytes: 0, maxFiles: 1 } as const;

test("labels, variables and the tag become one sorted object", () => {
  assert.equal(logAttributes(log, facts), undefined);
  assert.equal(
    logAttributes({ ...log, attributes: { z: "1", a: "2" }, tag: "{{.ImageName}}/{{ .Name }}/{{.ID}}" }, facts),
    '{"a":"2","tag":"nginx:1/web/abababababab","z":"1"}',
  );
});

test("fields that a tag cannot name", () => {
  assert.equal(unknownTagField("{{.Name}}-{{.FullID}}"), undefined);
  assert.equal(unknownTagField("{{.Nope}}"), "{{.Nope}}");
  assert.equal(unknownTagField('{{index .Labels "x"}}'), '{{index .Labels "x"}}');
});

test("details are escaped as in a query", () => {
  assert.equal(detailsText({ b: "x y,=", a: "ü" }), "a=%C3%BC,b=x+y%2C%3D");
});
