import assert from "node:assert/strict";
import { test } from "node:test";
import { digestOf } from "./digest.ts";
import { parseImageConfig } from "./image-config-reader.ts";

const rootfs = { type: "layers", diff_ids: [digestOf("a"), digestOf("b")] };

function parse(document: unknown): unknown {
  return parseImageConfig(Buffer.from(JSON.stringify(document)));
}

test("a configuration is read, nulls of Go's writers included", () => {
  const document = {
    created: "2026-01-01T00:00:00Z",
    architecture: "amd64",
    os: "linux",
    config: {
      User: "app",
      Env: ["A=b"],
      Entrypoint: null,
      Cmd: ["sh"],
      Volumes: null,
      ExposedPorts: { "80/tcp": {} },
      Labels: { a: "b" },
      OnBuild: null,
      Healthcheck: { Test: ["CMD", "true"], Interval: 30_000_000_000 },
    },
    rootfs,
    history: [{ created_by: "x", empty_layer: true }, {}],
    "moby.buildkit.cache.v0": "ignored",
  };
  assert.deepEqual(JSON.parse(JSON.stringify(parse(document))), {
    created: "2026-01-01T00:00:00Z",
    architecture: "amd64",
    os: "linux",
    config: {
      User: "app",
      Env: ["A=b"],
      Entrypoint: null,
      Cmd: ["sh"],
      ExposedPorts: { "80/tcp": {} },
      Labels: { a: "b" },
      Healthcheck: { Test: ["CMD", "true"], Interval: 30_000_000_000 },
    },
    rootfs,
    history: [{ created_by: "x", empty_layer: true }, {}],
  });
});

test("wrong shapes are refused, naming the field", () => {
  const cases: [unknown, RegExp][] = [
    [{}, /no RootFS key/],
    [{ rootfs: { type: "squashfs" } }, /rootfs type "squashfs" is not "layers"/],
    [{ rootfs: { type: "layers", diff_ids: ["sha256:xyz"] } }, /invalid checksum digest/],
    [
      { rootfs: { type: "layers", diff_ids: Array(1025).fill(digestOf("a")) } },
      /rootfs diff_ids has 1025 entries: at most 1024/,
    ],
    [{ rootfs, config: { Env: "A=b" } }, /config Env is not a list/],
    [{ rootfs, config: { Env: [1] } }, /config Env\[0\] is not a string/],
    [{ rootfs, config: { Labels: { a: {} } } }, /config Labels\["a"\] is not a string/],
    [{ rootfs, history: [null] }, /history\[0\] is not an object/],
  ];
  for (const [document, message] of cases) assert.throws(() => parse(document), { code: "invalid", message });
});
