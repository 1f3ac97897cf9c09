import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { virtualClock } from "#base/clock.ts";
import type { KubeObject } from "#formats/kube-object.ts";
import { bootstrapTokens } from "./bootstrap-tokens.ts";

const SECRET = "0123456789abcdef";
const now = "2026-01-01T00:00:00Z";

function lookupOf(data: Record<string, string>, more: object = {}) {
  const encoded = Object.entries({
    "token-id": "abcdef",
    "token-secret": SECRET,
    "usage-bootstrap-authentication": "true",
    ...data,
  }).map(([name, value]) => [name, Buffer.from(value).toString("base64")]);
  const secret = { type: "bootstrap.kubernetes.io/token", metadata: {}, data: Object.fromEntries(encoded), ...more };
  return bootstrapTokens(
    async (resource, namespace, name) =>
      resource === "secrets" && namespace === "kube-system" && name === "bootstrap-token-abcdef"
        ? (secret as unknown as KubeObject)
        : undefined,
    virtualClock(Date.parse(now)),
  );
}

describe("bootstrap tokens", () => {
  it("stand for a joining node", async () => {
    const groups = "system:bootstrappers:worker,system:bootstrappers:ingress";
    const user = await lookupOf({ "auth-extra-groups": groups, expiration: "2026-01-01T00:00:01Z" })(
      `abcdef.${SECRET}`,
    );
    assert.deepEqual(user, {
      name: "system:bootstrap:abcdef",
      groups: [
        "system:bootstrappers",
        "system:bootstrappers:ingress",
        "system:bootstrappers:worker",
        "system:authenticated",
      ],
    });
  });

  it("are good for nothing when wrong, over, of other use, or with other groups", async () => {
    const token = `abcdef.${SECRET}`;
    const bad = [
      lookupOf({ "token-secret": "0123456789abcdeg" }),
      lookupOf({ "token-id": "abcdeg" }),
      lookupOf({ expiration: now }),
      lookupOf({ expiration: "soon" }),
      lookupOf({ "usage-bootstrap-authentication": "false" }),
      lookupOf({ "auth-extra-groups": "system:masters" }),
      lookupOf({ "auth-extra-groups": "system:bootstrappers:a,system:masters" }),
      lookupOf({}, { type: "Opaque" }),
      lookupOf({}, { metadata: { deletionTimestamp: now } }),
    ];
    for (const [index, users] of bad.entries()) assert.equal(await users(token), undefined, String(index));
    const good = lookupOf({});
    assert.equal((await good(token))?.name, "system:bootstrap:abcdef");
    for (const other of [`abcdeg.${SECRET}`, "abcdef.", SECRET, `ABCDEF.${SECRET}`, `abcdef.${SECRET}x`])
      assert.equal(await good(other), undefined, other);
  });
});
