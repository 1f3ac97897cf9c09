import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  appendFileSync,
  chmodSync,
  chownSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { test } from "node:test";
import fc from "fast-check";
import type { Change, ImageStore } from "#images/image-store.ts";
import { lsetxattr } from "#linux/syscalls.ts";
import { listTree, savedImages, sha256, streamOf, tarOf, withImages, type TestFile } from "../support/image-lab.ts";
import { overlayData, withMounted } from "../support/overlay.ts";

const skip = process.getuid?.() === 0 ? false : "needs root";

const BASE: TestFile[] = [
  { path: "bin/", mode: 0o755 },
  {
    path: "bin/tool",
    data: "tool",
    mode: 0o4755,
    xattrs: new Map([["security.capability", Buffer.from("0100000200040000000000000000000000000000", "hex")]]),
  },
  { path: "bin/alias", type: "link", linkPath: "bin/tool" },
  { path: "etc/", mode: 0o755 },
  { path: "etc/hosts", data: "127.0.0.1 localhost\n" },
  { path: "etc/conf", data: "conf", uid: 1000, gid: 1000, mode: 0o640 },
  { path: "data/", mode: 0o2770, uid: 1000, gid: 1000 },
  { path: "data/a", data: "a" },
  { path: "data/b", data: "b" },
  { path: "data/sub/", mode: 0o755 },
  { path: "data/sub/c", data: "c" },
  { path: "link", linkPath: "data/a" },
  { path: "dangling", linkPath: "/no/where" },
  { path: "fifo", type: "fifo", mode: 0o600 },
];

/** What the second layer of the test image does to the first. */
const SECOND: TestFile[] = [
  { path: "data/.wh.b", data: "" },
  { path: "data/new", data: "new" },
  { path: "opaque/", mode: 0o755 },
];

/** Without what every container has of its own: when that was made is no matter of the image's. Nor is the root's own time. */
function ownFiles(root: string): string[] {
  const added = /^(\.dockerenv|dev(\/\S+)?|proc|sys|etc\/(hosts|hostname|resolv\.conf|mtab)) /;
  const [own = "", ...files] = listTree(root, { root: true });
  return [own.replace(/ t=\d+/, ""), ...files.filter((line) => !added.test(line))];
}

async function loadTest(images: ImageStore, layers: readonly Buffer[] = [tarOf(BASE), tarOf(SECOND)]): Promise<string> {
  const [name] = await images.load(streamOf(savedImages([{ tags: ["test:1"], layers }])));
  return images.get(name ?? "").id;
}

const kinds = (changes: readonly Change[]): string[] => changes.map(({ kind, path }) => `${kind.charAt(0)} ${path}`);

for (const driver of ["overlay2", "vfs"] as const) {
  test(
    `${driver}: a container sees the image's layers, and its own changes are told, committed and exported exactly`,
    { skip },
    () =>
      withImages(
        async (images, dataDir) => {
          const id = await loadTest(images);
          const snapshot = await images.createSnapshot("one", id);
          assert.equal(snapshot.driver, driver);
          assert.deepEqual(await images.changes("one"), []);
          const after = await withMounted(snapshot, join(dataDir, "mnt"), (root) => {
            assert.deepEqual(readdirSync(join(root, "data")).sort(), ["a", "new", "sub"]);
            assert.equal(readFileSync(join(root, "etc/hosts"), "utf8"), "", "the mount point is not the image's file");
            const tree = listTree(root, { times: false });
            assert(
              tree.includes(
                `bin/alias 104755 0:0 size=4 ${sha256("tool").slice(0, 16)} security.capability=0100000200040000000000000000000000000000`,
              ),
              tree.join("\n"),
            );
            assert(
              tree.some((line) => line.includes(" = bin/alias") && line.startsWith("bin/tool ")),
              "hard links stay links",
            );
            change(root);
            return ownFiles(root);
          });
          assert.deepEqual(kinds(await images.changes("one")), [
            "m /bin",
            // Where the file system is no overlay, a change shows under every name of a file.
            ...(driver === "vfs" ? ["m /bin/alias"] : []),
            "m /bin/tool",
            "m /data",
            "d /data/a",
            "d /data/sub",
            "a /data/sub2",
            "a /data/sub2/c",
            "a /data/twin",
            "a /data/wide",
            "a /data/wide/deep",
            "a /data/wide/deep/file",
            "d /fifo",
            "m /link",
            "a /link/inside",
            "a /socketless",
          ]);
          const base = images.get(id);
          const committed = await images.commitLayer(
            images.exportLayer("one"),
            { ...base.config, history: [...(base.config.history ?? []), { created_by: "test" }] },
            id,
            "committed",
          );
          assert.equal(images.get("committed").id, committed);
          assert.equal(images.get(committed).config.rootfs.diff_ids.length, 3);
          assert.equal(images.get(committed).parent, id);
          const copy = await images.createSnapshot("two", committed);
          await withMounted(copy, join(dataDir, "mnt"), (root) => assert.deepEqual(ownFiles(root), after));
          await exported(images, "one", dataDir, after);
        },
        { driver },
      ),
  );
}

/** What a container may do to its files. */
function change(root: string): void {
  const path = (name: string): string => join(root, name);
  appendFileSync(path("bin/tool"), "more");
  chmodSync(path("bin/tool"), 0o4755);
  rmSync(path("data/a"));
  // A directory of the image cannot be renamed in an overlay without redirects: programs copy it.
  mkdirSync(path("data/sub2"));
  writeFileSync(path("data/sub2/c"), "c");
  rmSync(path("data/sub"), { recursive: true });
  writeFileSync(path("data/twin"), "twins");
  linkSync(path("data/twin"), path("data/twin2"));
  renameSync(path("data/twin2"), path("socketless"));
  mkdirSync(path("data/wide/deep"), { recursive: true });
  writeFileSync(path("data/wide/deep/file"), "f", { mode: 0o600 });
  chownSync(path("data/wide/deep/file"), 70_000, 80_000);
  lsetxattr(path("data/wide/deep/file"), "user.note", Buffer.from([0, 255, 10]));
  rmSync(path("fifo"));
  rmSync(path("link"));
  mkdirSync(path("link"));
  symlinkSync("../etc", path("link/inside"));
  chmodSync(root, 0o711);
  for (const name of [
    "bin/tool",
    "data/sub2/c",
    "data/sub2",
    "data/twin",
    "data/wide/deep/file",
    "data/wide/deep",
    "data/wide",
    "data",
    "bin",
    "link",
    ".",
  ]) {
    utimesSync(path(name), 1.6e9, 1.6e9);
  }
}

/** `docker export` gives the tree that the container has. */
async function exported(images: ImageStore, id: string, dataDir: string, expected: readonly string[]): Promise<void> {
  const folder = join(dataDir, "exported");
  mkdirSync(folder);
  const archive = await buffer(images.exportRoot(id));
  execFileSync(
    "tar",
    [
      "--numeric-owner",
      "--same-owner",
      "--xattrs",
      "--xattrs-include=*",
      "--delay-directory-restore",
      "-xpf",
      "-",
      "-C",
      folder,
    ],
    { input: archive },
  );
  // A tar of the children of the root says nothing of the root itself.
  assert.deepEqual(ownFiles(folder).slice(1), expected.slice(1));
}

test("random changes in a mounted overlay survive commit as they are", { skip }, () =>
  withImages(async (images, dataDir) => {
    const id = await loadTest(images);
    const names = [
      "data",
      "data/a",
      "data/sub",
      "data/sub/c",
      "etc/conf",
      "x",
      "x/y",
      "bin/tool",
      "link",
      "data/sub/new",
    ];
    const step = fc.record({
      act: fc.constantFrom("remove", "write", "mkdir", "chmod", "link", "symlink", "rename", "own"),
      name: fc.constantFrom(...names),
      other: fc.constantFrom(...names),
      mode: fc.constantFrom(0o600, 0o755, 0o4711),
    });
    let run = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
        const name = `run${run++}`;
        const snapshot = await images.createSnapshot(name, id);
        const after = await withMounted(snapshot, join(dataDir, "mnt"), (root) => {
          for (const one of steps) attempt(root, one);
          return ownFiles(root);
        });
        const committed = await images.commitLayer(images.exportLayer(name), images.get(id).config, id);
        const copy = await images.createSnapshot(`${name}-copy`, committed);
        await withMounted(copy, join(dataDir, "mnt"), (root) => assert.deepEqual(ownFiles(root), after));
        assert.deepEqual(await images.changes(`${name}-copy`), []);
        for (const one of [name, `${name}-copy`]) await images.removeSnapshot(one);
      }),
      { numRuns: 40 },
    );
  }),
);

function attempt(root: string, step: { act: string; name: string; other: string; mode: number }): void {
  const [path, other] = [join(root, step.name), join(root, step.other)];
  try {
    if (step.act === "remove") rmSync(path, { recursive: true });
    else if (step.act === "write") appendFileSync(path, step.other);
    else if (step.act === "mkdir") mkdirSync(path);
    else if (step.act === "chmod") chmodSync(path, step.mode);
    else if (step.act === "link") linkSync(path, other);
    else if (step.act === "symlink") symlinkSync(step.other, path);
    else if (step.act === "rename") renameSync(path, other);
    else chownSync(path, 1000, 1001);
  } catch (error) {
    // What the kernel refuses is no change.
    assert((error as NodeJS.ErrnoException).code, String(error));
  }
}

test("125 layers fit into one page of mount options; one more is refused", { skip }, () =>
  withImages(async (images, dataDir) => {
    const layers = Array.from({ length: 125 }, (_, at) => tarOf([{ path: `layer-${at}`, data: String(at) }]));
    await images.load(streamOf(savedImages([{ tags: ["deep:1"], layers }])));
    const snapshot = await images.createSnapshot("deep", images.get("deep:1").id);
    assert(snapshot.mount.kind === "overlay");
    const installed = overlayData(snapshot.mount).replaceAll(dataDir, "/var/lib/gantry");
    assert(installed.length < 4096, `${installed.length} bytes of options`);
    await withMounted(snapshot, join(dataDir, "mnt"), (root) =>
      assert.equal(readdirSync(root).filter((name) => name.startsWith("layer-")).length, 125),
    );
    const more = savedImages([{ tags: ["deeper:1"], layers: [...layers, tarOf([{ path: "last", data: "" }])] }]);
    await assert.rejects(images.load(streamOf(more)), { code: "invalid", message: "max depth exceeded" });
    assert.equal(images.find("deeper:1"), undefined);
  }),
);

test("a directory that a layer only passes through keeps what the layers below say of it", { skip }, () =>
  withImages(async (images, dataDir) => {
    const id = await loadTest(images, [tarOf(BASE), tarOf([{ path: "data/sub/only", data: "x" }])]);
    const snapshot = await images.createSnapshot("s", id);
    await withMounted(snapshot, join(dataDir, "mnt"), (root) => {
      const tree = listTree(root);
      assert(tree.includes("data 42770 1000:1000 t=1700000000"), tree.join("\n"));
      assert(tree.includes("data/sub 40755 0:0 t=1700000000"));
    });
  }),
);

test("opaque directories and an opaque root hide what is below", { skip }, () =>
  withImages(async (images, dataDir) => {
    const opaque: TestFile[] = [
      { path: "data/", mode: 0o700 },
      { path: "data/.wh..wh..opq", data: "" },
      { path: "data/kept", data: "kept" },
    ];
    const first = await images.createSnapshot("s", await loadTest(images, [tarOf(BASE), tarOf(opaque)]));
    await withMounted(first, join(dataDir, "mnt"), (root) =>
      assert.deepEqual(readdirSync(join(root, "data")), ["kept"]),
    );
    const rootless = tarOf([
      { path: ".wh..wh..opq", data: "" },
      { path: "alone", data: "" },
    ]);
    const second = await images.createSnapshot("t", await loadTest(images, [tarOf(BASE), rootless]));
    await withMounted(second, join(dataDir, "mnt"), (root) => {
      assert.deepEqual(readdirSync(root).sort(), [".dockerenv", "alone", "dev", "etc", "proc", "sys"]);
    });
  }),
);

test("a file in the place of a directory, and a directory in the place of a file, in one layer", { skip }, () =>
  withImages(async (images, dataDir) => {
    const replaced: TestFile[] = [
      { path: "data", data: "file now" },
      { path: "data/", mode: 0o755 },
      { path: "data/mine", data: "" },
      { path: "etc/conf/", mode: 0o755 },
    ];
    const snapshot = await images.createSnapshot("s", await loadTest(images, [tarOf(BASE), tarOf(replaced)]));
    await withMounted(snapshot, join(dataDir, "mnt"), (root) => {
      assert.deepEqual(readdirSync(join(root, "data")), ["mine"]);
      assert.deepEqual(readdirSync(join(root, "etc/conf")), []);
    });
  }),
);

test("an export that nobody reads to its end stops, and the store goes on", { skip }, () =>
  withImages(async (images) => {
    const id = await loadTest(images, [tarOf([{ path: "big", data: Buffer.alloc(32 << 20, 1) }])]);
    await images.createSnapshot("s", id);
    const stream = images.exportRoot("s");
    for await (const chunk of stream) {
      assert((chunk as Buffer).length > 0);
      break;
    }
    assert.equal(stream.destroyed, true);
    const whole = await buffer(images.exportRoot("s"));
    assert(whole.length > 32 << 20);
    await assert.rejects(
      pipeline(images.exportRoot("nothing"), async function* () {}),
      { code: "not-found" },
    );
  }),
);
