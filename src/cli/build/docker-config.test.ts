import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { registryConfigHeader } from "./docker-config.ts";

/** A helper by the protocol of docker-credential-helpers: it keeps two registries, and has nothing for others. */
const HELPER = `#!/bin/sh
read -r host
case "$1 $host" in
"list ") echo '{"store.example":"ann","other.example":"<token>"}' ;;
"get store.example") echo '{"ServerURL":"store.example","Username":"ann","Secret":"s:1"}' ;;
"get other.example") echo '{"ServerURL":"other.example","Username":"<token>","Secret":"t1"}' ;;
*) echo 'credentials not found in native keychain'; exit 1 ;;
esac
`;

async function credentials(t: TestContext, config: object): Promise<{ found: unknown; warnings: string[] }> {
  const folder = mkdtempSync(join(tmpdir(), "docker-config-"));
  const before = { ...process.env };
  t.after(() => {
    process.env = before;
    rmSync(folder, { recursive: true });
  });
  writeFileSync(join(folder, "config.json"), JSON.stringify(config));
  writeFileSync(join(folder, "docker-credential-kept"), HELPER, { mode: 0o755 });
  writeFileSync(join(folder, "docker-credential-broken"), "#!/bin/sh\necho locked\nexit 2\n", { mode: 0o755 });
  process.env = { ...before, DOCKER_CONFIG: folder, PATH: `${folder}:${before["PATH"]}` };
  const warnings: string[] = [];
  const header = await registryConfigHeader((text) => warnings.push(text));
  const found: unknown = header && JSON.parse(Buffer.from(header, "base64url").toString());
  return { found, warnings };
}

const basic = (text: string): { auth: string } => ({ auth: Buffer.from(text).toString("base64") });

test("what docker login wrote into the file itself", async (t) => {
  const { found } = await credentials(t, {
    auths: { "a.example": basic("me:p:w"), "b.example": { identitytoken: "t" }, "c.example": {} },
  });
  assert.deepEqual(found, { "a.example": { username: "me", password: "p:w" }, "b.example": { identitytoken: "t" } });
});

test("a store for all registries, and helpers for single ones, which come first", async (t) => {
  const { found, warnings } = await credentials(t, {
    auths: { "a.example": basic("me:pw"), "store.example": {} },
    credsStore: "kept",
    credHelpers: { "other.example": "kept", "none.example": "kept" },
  });
  assert.deepEqual(warnings, []);
  assert.deepEqual(found, {
    "a.example": { username: "me", password: "pw" },
    "store.example": { username: "ann", password: "s:1" },
    "other.example": { identitytoken: "t1" },
  });
});

test("a helper that fails or is not there is told of, and the others count", async (t) => {
  const { found, warnings } = await credentials(t, {
    credsStore: "missing",
    credHelpers: { "x.example": "broken", "store.example": "kept" },
  });
  assert.deepEqual(found, { "store.example": { username: "ann", password: "s:1" } });
  assert.deepEqual(warnings, [
    "credential helper missing: docker-credential-missing is not in PATH",
    "credential helper broken: locked",
  ]);
});

test("no credentials at all", async (t) => {
  assert.equal((await credentials(t, {})).found, undefined);
});
