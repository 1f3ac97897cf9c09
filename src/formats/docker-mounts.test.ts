import assert from "node:assert/strict";
import { test } from "node:test";
import { checkVolumeName, parseBind, parseMount, parseTmpfs, parseVolumesFrom } from "./docker-mounts.ts";

const refused = (run: () => unknown, message: string | RegExp): void =>
  assert.throws(run, { code: "invalid", message });

test("bind strings: host paths, volumes and modes", () => {
  assert.deepEqual(parseBind("/a/../b:/data/:ro,rslave", ""), {
    kind: "bind",
    source: "/b",
    target: "/data",
    readonly: true,
    propagation: "rslave",
    create: true,
    recursive: true,
  });
  assert.deepEqual(parseBind("vol:/data:nocopy", ""), {
    kind: "volume",
    name: "vol",
    target: "/data",
    readonly: false,
    copyUp: false,
    subpath: undefined,
    driver: "local",
    driverOptions: {},
    labels: {},
  });
  assert.equal(parseBind("/data", "").kind, "volume");
});

test("bind strings that Docker refuses", () => {
  refused(() => parseBind("", ""), "invalid volume specification: ''");
  refused(() => parseBind(":/x", ""), "invalid volume specification: ':/x'");
  refused(() => parseBind("/a:ro", ""), "invalid volume specification: '/a:ro'");
  refused(() => parseBind("/a:/b:rw:x", ""), "invalid volume specification: '/a:/b:rw:x'");
  refused(() => parseBind("/a:/b:nope", ""), "invalid mode: nope");
  refused(() => parseBind("/a:/b:ro,rw", ""), "invalid mode: ro,rw");
  refused(() => parseBind("/a:/", ""), /destination can't be '\/'/);
  refused(() => parseBind("/a:b", ""), /mount path must be absolute/);
  refused(() => parseBind("a/b:/c", ""), /includes invalid characters for a local volume name/);
});

test("mount documents", () => {
  const there = (): boolean => true;
  assert.equal(parseMount({ Type: "bind", Source: "/a", Target: "/b", ReadOnly: true }, there).kind, "bind");
  refused(
    () => parseMount({ Type: "bind", Source: "/a", Target: "/b" }, () => false),
    'invalid mount config for type "bind": bind source path does not exist: /a',
  );
  refused(
    () => parseMount({ Type: "bind", Target: "/b" }, there),
    'invalid mount config for type "bind": field Source must not be empty',
  );
  refused(
    () => parseMount({ Type: "volume" }, there),
    'invalid mount config for type "volume": field Target must not be empty',
  );
  refused(
    () => parseMount({ Type: "volume", Source: "x1", Target: "/b", VolumeOptions: { Subpath: "../y" } }, there),
    /subpath must be a relative path/,
  );
  refused(
    () => parseMount({ Type: "nope", Target: "/b" }, there),
    'invalid mount config for type "nope": mount type unknown',
  );
  assert.deepEqual(parseMount({ Type: "image", Source: "x", Target: "/b" }, there), {
    kind: "image",
    image: "x",
    target: "/b",
    subpath: undefined,
  });
  assert.throws(() => parseMount({ Type: "cluster", Source: "x", Target: "/b" }, there), { code: "unsupported" });
  assert.deepEqual(
    parseMount(
      { Type: "tmpfs", Target: "/t", TmpfsOptions: { SizeBytes: 1024, Mode: 0o700, Options: [["exec"]] } },
      there,
    ),
    {
      kind: "tmpfs",
      target: "/t",
      options: ["nosuid", "nodev", "mode=700", "size=1024", "exec"],
    },
  );
});

test("tmpfs options over Docker's defaults", () => {
  assert.deepEqual(parseTmpfs("/t", "size=1m,exec"), {
    kind: "tmpfs",
    target: "/t",
    options: ["nosuid", "nodev", "size=1m", "exec"],
  });
  refused(() => parseTmpfs("/t", "nope"), 'Invalid tmpfs option ["nope"]');
  refused(() => parseTmpfs("t", ""), /must be absolute/);
});

test("volumes-from and volume names", () => {
  assert.deepEqual(parseVolumesFrom("web:ro"), { container: "web", mode: "ro" });
  assert.deepEqual(parseVolumesFrom("web"), { container: "web", mode: undefined });
  refused(() => parseVolumesFrom("web:rshared"), "invalid mode: rshared");
  refused(() => checkVolumeName("x"), /too short/);
});
