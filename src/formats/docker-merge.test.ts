import assert from "node:assert/strict";
import { test } from "node:test";
import { commandOf, mergeImageConfig } from "./docker-merge.ts";

const image = {
  Entrypoint: ["/entry"],
  Cmd: ["serve"],
  Env: ["PATH=/bin", "A=image"],
  User: "app",
  WorkingDir: "/srv",
  Labels: { a: "1" },
  ExposedPorts: { "80/tcp": {} },
};

test("the entry point and command table", () => {
  const run = (user: object): string[] => commandOf(mergeImageConfig(user, image));
  assert.deepEqual(run({}), ["/entry", "serve"]);
  assert.deepEqual(run({ Cmd: ["x"] }), ["/entry", "x"]);
  assert.deepEqual(run({ Entrypoint: ["/mine"] }), ["/mine"]);
  assert.deepEqual(run({ Entrypoint: ["/mine"], Cmd: ["x"] }), ["/mine", "x"]);
  assert.deepEqual(run({ Entrypoint: [""], Cmd: ["x"] }), ["x"]);
  assert.throws(() => run({ Entrypoint: [""] }), { code: "invalid", message: "no command specified" });
  assert.throws(() => commandOf(mergeImageConfig({}, {})), { message: "no command specified" });
});

test("the image fills in what the user left out", () => {
  const merged = mergeImageConfig({ Env: ["A=user"], Labels: { b: "2" }, ExposedPorts: { "81/tcp": {} } }, image);
  assert.deepEqual(merged.Env, ["A=user", "PATH=/bin"]);
  assert.deepEqual({ ...merged.Labels }, { a: "1", b: "2" });
  assert.deepEqual(Object.keys(merged.ExposedPorts ?? {}), ["80/tcp", "81/tcp"]);
  assert.equal(merged.User, "app");
  assert.equal(merged.WorkingDir, "/srv");
});

test("health checks merge by field", () => {
  const check = mergeImageConfig(
    { Healthcheck: { Interval: 5 } },
    { Healthcheck: { Test: ["CMD", "x"], Interval: 9, Retries: 3 } },
  ).Healthcheck;
  assert.deepEqual(check, { Interval: 5, Test: ["CMD", "x"], Retries: 3 });
});
