// gantry snapshot: saved while all runs, restored into this and into another root.
import assert from "node:assert/strict";
import { statSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { run, startGantry } from "#test/gantry.ts";

const command = new URL("../../bin/gantry", import.meta.url).pathname;

test("a cluster is what it was when its snapshot was saved, here and in another root", async (t) => {
  const gantry = await startGantry();
  const folder = await mkdtemp(join(tmpdir(), "gantry-snapshot-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const file = join(folder, "cluster.snapshot");
  const snapshot = (root: string, ...args: string[]) =>
    run(command, ["--root", root, "snapshot", ...args], { ...process.env, GANTRY_SOURCE: "1" });
  const kubectl = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await gantry.kubectl(...args);
    assert.equal(code, 0, stderr);
    return stdout.trim();
  };
  await kubectl("create", "configmap", "kept", "--from-literal=when=before");
  const token = await kubectl("create", "token", "default", "--duration=1h");
  const saved = await snapshot(gantry.root, "save", file);
  assert.deepEqual([saved.code, saved.stdout], [0, `saved ${file}\n`], saved.stderr);
  assert.equal(statSync(file).mode & 0o777, 0o600);

  await kubectl("create", "configmap", "later", "--from-literal=when=after");
  const refused = await snapshot(gantry.root, "restore", file);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /Gantry runs here .* 'gantry down'/);

  await gantry.stopDaemon();
  const unsaved = await snapshot(gantry.root, "save", file);
  assert.match(unsaved.stderr, /Gantry is not running/);
  const restored = await snapshot(gantry.root, "restore", file);
  assert.equal(restored.code, 0, restored.stderr);
  await gantry.restart();
  assert.equal(await kubectl("get", "configmap", "kept", "-o", "jsonpath={.data.when}"), "before");
  assert.equal((await gantry.kubectl("get", "configmap", "later")).code, 1);
  // The keys are those of then: tokens of before are good.
  const who = await gantry.run("kubectl", [
    "--kubeconfig=/dev/null",
    `--server=${gantry.status.apiServer ?? ""}`,
    "--insecure-skip-tls-verify",
    `--token=${token}`,
    "auth",
    "whoami",
    "-o",
    "jsonpath={.status.userInfo.username}",
  ]);
  assert.equal(who.stdout, "system:serviceaccount:default:default", who.stderr);

  const root = await mkdtemp(join(tmpdir(), "gantry-test-"));
  t.after(() => rm(root, { recursive: true, force: true }));
  assert.equal((await snapshot(root, "restore", file)).code, 0);
  for (const name of ["data/cluster/state.db", "data/cluster/pki/ca.json"])
    assert.equal(statSync(join(root, name)).mode & 0o777, 0o600, name);
});
