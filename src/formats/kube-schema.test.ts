import assert from "node:assert/strict";
import { test } from "node:test";
import { fieldAt, kindSchema, schemaKinds } from "./kube-schema.ts";

const deployment = kindSchema({ group: "apps", version: "v1", kind: "Deployment" });

test("fields carry their list semantics, merge keys and defaults", () => {
  assert.ok(deployment);
  const containers = fieldAt(deployment, ["spec", "template", "spec", "containers"]);
  assert.equal(containers?.mergeKey, "name");
  assert.deepEqual(containers?.listMapKeys, ["name"]);
  assert.equal(containers?.required, true);
  const ports = fieldAt(deployment, ["spec", "template", "spec", "containers", "ports"]);
  assert.deepEqual(ports?.listMapKeys, ["containerPort", "protocol"]);
  const protocol = fieldAt(deployment, ["spec", "template", "spec", "containers", "ports", "protocol"]);
  assert.equal(protocol?.default, "TCP");
  assert.equal(fieldAt(deployment, ["spec", "selector"])?.type.goName, "v1.LabelSelector");
  assert.equal(fieldAt(deployment, ["spec", "nothing"]), undefined);
});

test("every kind's fields can be reached", () => {
  const seen = new Set<string>();
  let fields = 0;
  const visit = (schema: NonNullable<typeof deployment>): void => {
    if (seen.has(schema.name)) return;
    seen.add(schema.name);
    for (const field of schema.fields.values()) {
      fields++;
      let type = field.type;
      while (type.kind === "list" || type.kind === "map") type = type.kind === "list" ? type.items : type.values;
      if (type.kind === "struct") visit(type);
    }
  };
  for (const kind of schemaKinds()) {
    const schema = kindSchema(kind);
    assert.ok(schema, kind.kind);
    visit(schema);
  }
  assert.ok(seen.size > 500 && fields > 2000, `${seen.size} types, ${fields} fields`);
});

test("names are those of OpenAPI; unknown kinds are unknown; options belong to every group", () => {
  assert.equal(deployment?.name, "io.k8s.api.apps.v1.Deployment");
  assert.equal(kindSchema({ group: "", version: "v1", kind: "Nope" }), undefined);
  assert.equal(kindSchema({ group: "", version: "v1", kind: "toString" }), undefined);
  assert.equal(kindSchema({ group: "apps", version: "v1", kind: "DeleteOptions" })?.goName, "v1.DeleteOptions");
});
