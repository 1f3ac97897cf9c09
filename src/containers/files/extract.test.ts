import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { isGantryError } from "#base/errors.ts";
import type { TarEntry } from "#formats/tar-entry.ts";
import { tarPadding } from "#formats/tar-entry.ts";
import { encodeTarHeader, TAR_END } from "#formats/tar-writer.ts";
import { AT_FDCWD, close, O_DIRECTORY, O_PATH, openat } from "#linux/syscalls.ts";
import { extractInto, type ExtractOptions } from "./extract.ts";
import { packTree } from "./pack.ts";

let outside = "";
let root = "";
beforeEach(() => {
  outside = mkdtempSync(join(tmpdir(), "gantry-extract-"));
  root = join(outside, "root");
  mkdirSync(join(root, "etc"), { recursive: true });
  mkdirSync(join(root, "dest"));
  writeFileSync(join(outside, "victim"), "untouched");
});
afterEach(() => rmSync(outside, { recursive: true }));

const entry = (path: string, changes: Partial<TarEntry> = {}): TarEntry => ({
  path,
  type: "file",
  mode: 0o644,
  uid: process.getuid?.() ?? 0,
  gid: process.getgid?.() ?? 0,
  size: 0,
  modifiedNanos: 1_000_000_000n,
  linkPath: "",
  device: { major: 0, minor: 0 },
  xattrs: new Map(),
  ...changes,
});

function archive(...entries: (TarEntry | [string, string])[]): Buffer {
  const parts = entries.flatMap((each) => {
    if (!Array.isArray(each)) return [encodeTarHeader(each)];
    const data = Buffer.from(each[1]);
    return [encodeTarHeader(entry(each[0], { size: data.length })), data, Buffer.alloc(tarPadding(data.length))];
  });
  return Buffer.concat([...parts, TAR_END]);
}

async function extract(bytes: Buffer, path = "/dest", options: Partial<ExtractOptions> = {}): Promise<void> {
  const handle = openat(AT_FDCWD, root, O_PATH | O_DIRECTORY);
  try {
    await extractInto(
      handle,
      path,
      (async function* () {
        for (let at = 0; at < bytes.length; at += 700) yield bytes.subarray(at, at + 700);
      })(),
      { noOverwriteDirNonDir: false, owner: undefined, ...options },
    );
  } finally {
    close(handle);
  }
}

test("files, directories, links of both kinds", async () => {
  await extract(
    archive(
      entry("d/", { type: "directory", mode: 0o750, modifiedNanos: 5_000_000_000n }),
      ["d/f", "content"],
      entry("d/hard", { type: "link", linkPath: "d/f" }),
      entry("soft", { type: "symlink", linkPath: "../etc" }),
      ["deep/er/x", "made on the way"],
    ),
  );
  assert.equal(readFileSync(join(root, "dest/d/f"), "utf8"), "content");
  assert.equal(statSync(join(root, "dest/d")).mode & 0o777, 0o750);
  assert.equal(statSync(join(root, "dest/d")).mtimeMs, 5000);
  assert.equal(statSync(join(root, "dest/d/f")).nlink, 2);
  assert.equal(readlinkSync(join(root, "dest/soft")), "../etc");
  assert.equal(readFileSync(join(root, "dest/deep/er/x"), "utf8"), "made on the way");
});

test("links lead nowhere but inside the root", async () => {
  symlinkSync("/etc", join(root, "dest/absolute"));
  symlinkSync("../../../..", join(root, "dest/up"));
  symlinkSync(join(outside, "victim"), join(root, "dest/file"));
  await extract(archive(["absolute/a", "1"], ["up/b", "2"], ["file", "3"]));
  assert.equal(readFileSync(join(root, "etc/a"), "utf8"), "1");
  assert.equal(readFileSync(join(root, "b"), "utf8"), "2");
  assert.equal(readFileSync(join(root, "dest/file"), "utf8"), "3");
  assert.equal(readFileSync(join(outside, "victim"), "utf8"), "untouched");
});

test("entries and hard links that leave the directory are refused or stay inside", async () => {
  for (const path of ["../out", "../../victim", "a/../../out"])
    await assert.rejects(extract(archive([path, "x"])), (error) => isGantryError(error, "invalid"), path);
  await assert.rejects(extract(archive(entry("hard", { type: "link", linkPath: "../etc/passwd" }))), (error) =>
    isGantryError(error, "invalid"),
  );
  await extract(archive(["/absolute", "inside"]));
  assert.equal(readFileSync(join(root, "dest/absolute"), "utf8"), "inside");
  assert.equal(readFileSync(join(outside, "victim"), "utf8"), "untouched");
});

test("noOverwriteDirNonDir", async () => {
  mkdirSync(join(root, "dest/x"));
  writeFileSync(join(root, "dest/y"), "file");
  const options = { noOverwriteDirNonDir: true };
  await assert.rejects(
    extract(archive(["x", "1"]), "/dest", options),
    /cannot overwrite directory "\/dest\/x" with non-directory "x"/,
  );
  await assert.rejects(
    extract(archive(entry("y/", { type: "directory" })), "/dest", options),
    /cannot overwrite non-directory "\/dest\/y" with directory "y\/"/,
  );
});

test("what is packed is unpacked the same, and tar reads it", async () => {
  mkdirSync(join(root, "src/sub"), { recursive: true });
  writeFileSync(join(root, "src/sub/a"), "a".repeat(300_000));
  writeFileSync(join(root, "src/empty"), "");
  symlinkSync("sub/a", join(root, "src/link"));
  execFileSync("ln", [join(root, "src/sub/a"), join(root, "src/twin")]);
  const handle = openat(AT_FDCWD, root, O_PATH | O_DIRECTORY);
  const chunks: Buffer[] = [];
  for await (const chunk of packTree(handle, "src", "renamed")) chunks.push(chunk);
  close(handle);
  const listing = execFileSync("tar", ["-tf", "-"], { input: Buffer.concat(chunks) })
    .toString()
    .trim()
    .split("\n");
  assert.deepEqual(listing, [
    "renamed/",
    "renamed/empty",
    "renamed/link",
    "renamed/sub/",
    "renamed/sub/a",
    "renamed/twin",
  ]);
  await extract(Buffer.concat(chunks));
  assert.equal(readFileSync(join(root, "dest/renamed/twin"), "utf8").length, 300_000);
  assert.equal(statSync(join(root, "dest/renamed/twin")).nlink, 2);
});
