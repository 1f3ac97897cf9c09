import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { isGantryError } from "#base/errors.ts";
import { tarReader } from "#formats/tar-reader.ts";
import { layerUnpacker, type Unpacked } from "../../src/images/worker/unpacker.ts";
import { listTree, tarOf, type TestFile } from "../support/image-lab.ts";

const skip = process.getuid?.() === 0 ? false : "needs root";

/** A host directory with things worth stealing and breaking, beside the directory that a layer is unpacked into. */
function withHost(run: (host: { root: string; diff: string; trash: string }) => void): void {
  const root = mkdtempSync(join(tmpdir(), "gantry-unpack-"));
  try {
    mkdirSync(join(root, "outside/deep"), { recursive: true });
    writeFileSync(join(root, "outside/secret"), "secret", { mode: 0o600 });
    writeFileSync(join(root, "outside/deep/file"), "file");
    symlinkSync("secret", join(root, "outside/link"));
    chmodSync(join(root, "outside"), 0o700);
    for (const path of ["outside/secret", "outside/deep/file", "outside/deep", "outside"])
      utimesSync(join(root, path), 1e9, 1e9);
    const [diff, trash] = [join(root, "diff"), join(root, "trash")];
    mkdirSync(diff);
    mkdirSync(trash);
    run({ root, diff, trash });
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

function unpack(archive: Buffer, host: { diff: string; trash: string }): Unpacked {
  const unpacker = layerUnpacker(host);
  try {
    const reader = tarReader(unpacker);
    reader.write(archive);
    reader.close();
    return unpacker.finish();
  } finally {
    unpacker.close();
  }
}

/** Few names, so that entries meet: links in the way of files, files in the way of directories, whiteouts of all of them. */
function hostileFiles(outside: string): fc.Arbitrary<TestFile[]> {
  const part = fc.constantFrom(
    "a",
    "b",
    "c",
    "..",
    ".",
    "",
    ".wh.a",
    ".wh.b",
    ".wh..",
    ".wh...",
    ".wh.",
    ".wh..wh..opq",
    ".wh..wh.plnk",
  );
  const inner = fc.array(part, { minLength: 1, maxLength: 5 }).map((parts) => parts.join("/"));
  const target = fc.oneof(
    inner,
    inner.map((path) => `/${path}`),
    fc.constantFrom(
      outside,
      `${outside}/secret`,
      "../outside",
      "../outside/secret",
      "../../../../../../../../etc",
      "/etc/passwd",
      "/proc/self/root",
      "/proc/self/cwd",
      "a",
      ".",
    ),
  );
  const path = fc.oneof({ weight: 4, arbitrary: inner }, { weight: 1, arbitrary: target });
  return fc.array(
    fc.record(
      {
        path,
        type: fc.constantFrom("file", "directory", "symlink", "link", "fifo", "character-device", "block-device"),
        linkPath: target,
        mode: fc.constantFrom(0o777, 0o4755, 0o000, 0o1777),
        uid: fc.constantFrom(0, 1000),
        data: fc.constantFrom("x", "yy"),
        device: fc.constantFrom({ major: 0, minor: 0 }, { major: 1, minor: 3 }, { major: 8, minor: 0 }),
        xattrs: fc.constantFrom(
          new Map(),
          new Map([["trusted.overlay.redirect", Buffer.from("/outside")]]),
          new Map([["user.a", Buffer.from("b")]]),
        ),
      },
      { requiredKeys: ["path", "type", "linkPath"], noNullPrototype: true },
    ),
    { maxLength: 12 },
  ) as fc.Arbitrary<TestFile[]>;
}

test("whatever an archive holds, nothing outside of the layer changes", { skip }, () => {
  withHost(({ root, diff, trash }) => {
    const outside = join(root, "outside");
    const before = listTree(outside, { root: true });
    const etc = execFileSync("stat", ["-c", "%y %a %U", "/etc", "/etc/passwd"], { encoding: "utf8" });
    let unpacked = 0;
    const runs = fc.property(hostileFiles(outside), (files) => {
      const entries = files.map((file) => (file.type === "file" ? file : { ...file, data: "" }));
      for (const folder of [diff, trash]) {
        rmSync(folder, { recursive: true, force: true });
        mkdirSync(folder);
      }
      try {
        unpack(tarOf(entries), { diff, trash });
        unpacked++;
      } catch (error) {
        assert(isGantryError(error, "invalid"), String((error as Error).stack));
      }
      assert.deepEqual(listTree(outside, { root: true }), before);
    });
    fc.assert(runs, { numRuns: 1500 });
    assert.equal(execFileSync("stat", ["-c", "%y %a %U", "/etc", "/etc/passwd"], { encoding: "utf8" }), etc);
    assert(unpacked > 100, `only ${unpacked} archives were unpacked: the test tests nothing`);
  });
});

/** Archives as tools make them: no links among the parents, no `..`. */
const plainFiles: fc.Arbitrary<TestFile[]> = fc
  .array(
    fc.record(
      {
        path: fc
          .array(fc.constantFrom("a", "b", "c", "ü", "x".repeat(120)), { minLength: 1, maxLength: 4 })
          .map((parts) => parts.join("/")),
        type: fc.constantFrom("file", "file", "directory", "symlink", "fifo", "character-device"),
        linkPath: fc.constantFrom("a", "../b", "/etc/passwd", "t".repeat(150)),
        mode: fc.nat(0o7777),
        uid: fc.constantFrom(0, 1000, 70_000),
        gid: fc.constantFrom(0, 1000, 3_000_000),
        data: fc.string({ maxLength: 2000 }),
        device: fc.constantFrom({ major: 1, minor: 3 }, { major: 300, minor: 70_000 }),
        xattrs: fc
          .uint8Array({ minLength: 1, maxLength: 40 })
          .map((value) => new Map([["trusted.test", Buffer.from(value)]])),
      },
      { noNullPrototype: true },
    ),
    { maxLength: 8 },
  )
  .map((files) => {
    // A name that is a directory's is nothing else's.
    const folders = new Set<string>();
    for (const { path } of files) {
      const parts = path.split("/");
      parts.slice(0, -1).forEach((_, at) => folders.add(parts.slice(0, at + 1).join("/")));
    }
    return files.map((file) => {
      const type = folders.has(file.path) ? "directory" : file.type;
      return {
        ...file,
        type,
        path: type === "directory" ? `${file.path}/` : file.path,
        data: type === "file" ? file.data : "",
      } as TestFile;
    });
  })
  .filter((files) => {
    const kinds = new Map<string, boolean>();
    return files.every(({ path, type }) => {
      const name = path.replace(/\/$/, "");
      const folder = type === "directory";
      const known = kinds.get(name);
      kinds.set(name, folder);
      return known === undefined || known === folder;
    });
  });

test("plain archives give the same tree as GNU tar makes of them", { skip }, () => {
  withHost(({ root, diff, trash }) => {
    const theirs = join(root, "theirs");
    const archive = join(root, "archive.tar");
    const runs = fc.property(plainFiles, (files) => {
      for (const folder of [diff, trash, theirs]) {
        rmSync(folder, { recursive: true, force: true });
        mkdirSync(folder);
      }
      const bytes = tarOf(files);
      writeFileSync(archive, bytes);
      unpack(bytes, { diff, trash });
      execFileSync(
        "tar",
        [
          "--numeric-owner",
          "--same-owner",
          "--delay-directory-restore",
          "--absolute-names",
          "--xattrs",
          "--xattrs-include=*",
          "-xpf",
          archive,
          "-C",
          theirs,
        ],
        {
          env: { ...process.env, LC_ALL: "C.UTF-8" },
        },
      );
      // Directories without an entry have the time of unpacking, in both.
      const known = new Set(files.map(({ path }) => path.replace(/\/$/, "")));
      const relevant = (lines: string[]): string[] =>
        lines.map((line) => (known.has(line.split(" ")[0] ?? "") ? line : line.replace(/ t=\d+/, "")));
      assert.deepEqual(relevant(listTree(diff)), relevant(listTree(theirs)));
    });
    fc.assert(runs, { numRuns: 150 });
  });
});
