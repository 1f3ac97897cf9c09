// Reading and writing a root file system through a handle: overlays that are mounted nowhere, links that lead out, odd archives.
import assert from "node:assert/strict";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { after, before, beforeEach, describe, test } from "node:test";
import { extract, pack } from "tar-stream";
import { snapshotFiles, type RootFiles } from "#containers/container-files.ts";
import type { Snapshot } from "#images/image-store.ts";

let base = "";
let files: RootFiles;
let upper = "";

before(() => (base = mkdtempSync(join(tmpdir(), "gantry-files-"))));
after(() => rmSync(base, { recursive: true, force: true }));
beforeEach((context) => {
  const root = join(base, String(context.name).replace(/\W+/g, "-"));
  for (const name of ["lower/etc", "lower/dir", "upper", "work"]) mkdirSync(join(root, name), { recursive: true });
  writeFileSync(join(root, "lower/etc/hosts"), "lower hosts\n");
  symlinkSync(join(base, "outside"), join(root, "lower/absolute"));
  symlinkSync("../../../../../../../..", join(root, "lower/climb"));
  upper = join(root, "upper");
  files = snapshotFiles(snapshotOf(root));
});

function snapshotOf(root: string): Snapshot {
  const mount = {
    kind: "overlay",
    lower: [join(root, "lower")],
    upper: join(root, "upper"),
    work: join(root, "work"),
  } as const;
  return { id: "x", driver: "overlay2", imageId: undefined, mount, upperDir: mount.upper };
}

function archiveOf(...entries: (Parameters<ReturnType<typeof pack>["entry"]>[0] & { text?: string })[]): Readable {
  const archive = pack();
  for (const { text, ...header } of entries) archive.entry(header, text ?? "");
  archive.finalize();
  return Readable.from(archive);
}

async function list(archive: Readable): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  const reader = archive.pipe(extract());
  for await (const entry of reader) {
    const chunks: Buffer[] = [];
    for await (const chunk of entry) chunks.push(chunk as Buffer);
    found[entry.header.name] =
      entry.header.type === "file"
        ? Buffer.concat(chunks).toString()
        : `(${entry.header.type}) ${entry.header.linkname ?? ""}`.trim();
  }
  return found;
}

describe("container files", () => {
  test("stat", () => {
    assert.equal(files.stat("/etc/hosts")?.size, 12);
    assert.equal(files.stat("/etc")?.kind, "directory");
    assert.deepEqual([files.stat("/climb")?.kind, files.stat("/climb/")?.kind], ["symlink", "directory"]);
    assert.equal(files.stat("/nothing"), undefined);
    files.close();
  });

  test("read a tree", async () => {
    const archive = files.read("/etc", { as: "copy" });
    assert.deepEqual(await list(archive), { "copy/": "(directory)", "copy/hosts": "lower hosts\n" });
    files.close();
  });

  test("write over it: new files, replaced ones, links, owners, times", async () => {
    await files.write(
      "/dir",
      archiveOf(
        { name: "sub/", type: "directory", mode: 0o711, uid: 5, gid: 6, mtime: new Date(1000) },
        { name: "sub/a", mode: 0o640, uid: 7, gid: 8, mtime: new Date(2000), text: "text" },
        { name: "link", type: "symlink", linkname: "sub/a" },
        { name: "hard", type: "link", linkname: "sub/a" },
        { name: "pipe", type: "fifo" },
      ),
      { keepKinds: true },
    );
    files.close();
    const stats = lstatSync(join(upper, "dir/sub/a"));
    assert.deepEqual([stats.mode & 0o777, stats.uid, stats.gid, stats.mtimeMs, stats.nlink], [0o640, 7, 8, 2000, 2]);
    assert.equal(lstatSync(join(upper, "dir/sub")).mtimeMs, 1000);
    assert.equal(readFileSync(join(upper, "dir/hard"), "utf8"), "text");
    assert.ok(lstatSync(join(upper, "dir/pipe")).isFIFO());
  });

  test("directories and files do not replace each other when that is asked", async () => {
    await assert.rejects(files.write("/", archiveOf({ name: "etc", text: "x" }), { keepKinds: true }), {
      message: 'cannot overwrite directory "/etc" with non-directory "etc"',
    });
    await files.write("/", archiveOf({ name: "etc", text: "x" }), { keepKinds: false });
    files.close();
    assert.equal(readFileSync(join(upper, "etc"), "utf8"), "x");
  });

  test("nothing leads out of the root", async () => {
    mkdirSync(join(base, "outside"), { recursive: true });
    await assert.rejects(files.write("/", archiveOf({ name: "../../x", text: "x" }), { keepKinds: true }), {
      code: "invalid",
    });
    await files.write("/", archiveOf({ name: "climb/tmp/escaped", text: "x" }), { keepKinds: true });
    await files.write(
      "/",
      archiveOf({ name: "new", type: "symlink", linkname: "/etc" }, { name: "new/passwd", text: "mine" }),
      { keepKinds: true },
    );
    await assert.rejects(files.write("/absolute", archiveOf({ name: "x", text: "x" }), { keepKinds: true }));
    await assert.rejects(
      files.write("/", archiveOf({ name: "h", type: "link", linkname: "../../../etc/passwd" }), { keepKinds: true }),
      { code: "invalid" },
    );
    files.close();
    assert.equal(existsSync("/tmp/escaped"), false);
    assert.equal(readFileSync(join(upper, "tmp/escaped"), "utf8"), "x");
    assert.equal(readFileSync(join(upper, "etc/passwd"), "utf8"), "mine");
    assert.equal(existsSync(join(base, "outside/x")), false);
  });
});
