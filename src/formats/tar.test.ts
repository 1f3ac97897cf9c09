import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  mkdtempSync,
  rmSync,
  truncateSync,
  writeFileSync,
  readFileSync,
  mkdirSync,
  symlinkSync,
  linkSync,
  openSync,
  writeSync,
  closeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { tarPadding, type TarEntry } from "./tar-entry.ts";
import { tarReader } from "./tar-reader.ts";
import { decodeName, encodeName } from "./tar-text.ts";
import { encodeTarHeader, TAR_END } from "./tar-writer.ts";

interface Read {
  readonly entry: TarEntry;
  /** The file's bytes, holes as zeros. */
  readonly data: Buffer;
  readonly written: number;
}

/** Reads an archive given in pieces of `step` bytes. */
function readTar(archive: Buffer, step = archive.length || 1): Read[] {
  const result: { entry: TarEntry; data: Buffer; written: number }[] = [];
  let ended = 0;
  const reader = tarReader({
    entry: (entry) => void result.push({ entry, data: Buffer.alloc(entry.size), written: 0 }),
    data(chunk, offset) {
      const last = result.at(-1);
      assert(last);
      chunk.copy(last.data, offset);
      last.written += chunk.length;
    },
    end: () => void (ended += 1),
  });
  for (let at = 0; at < archive.length; at += step) reader.write(archive.subarray(at, at + step));
  reader.close();
  assert.equal(ended, result.length);
  return result;
}

function entry(fields: Partial<TarEntry>): TarEntry {
  return {
    path: "file",
    type: "file",
    mode: 0o644,
    uid: 0,
    gid: 0,
    size: 0,
    modifiedNanos: 0n,
    linkPath: "",
    device: { major: 0, minor: 0 },
    xattrs: new Map(),
    ...fields,
  };
}

function archive(...files: [TarEntry, Buffer?][]): Buffer {
  const parts = files.flatMap(([head, data = Buffer.alloc(0)]) => [
    encodeTarHeader(head),
    data,
    Buffer.alloc(tarPadding(data.length)),
  ]);
  return Buffer.concat([...parts, TAR_END]);
}

const names = fc.oneof(
  fc
    .string({ minLength: 1, maxLength: 300, unit: "grapheme" })
    .filter((text) => !text.includes("\0") && text.isWellFormed()),
  fc
    .uint8Array({ minLength: 1, maxLength: 300 })
    .map((bytes) => decodeName(Buffer.from(bytes.map((byte) => byte || 1)))),
);

const entries = fc.record({
  path: names.map((name) => (name.endsWith("/") ? `${name}x` : name)),
  type: fc.constantFrom("file", "symlink", "link", "directory", "fifo", "character-device"),
  mode: fc.nat(0o7777),
  uid: fc.oneof(fc.nat(70_000), fc.integer({ min: 2 ** 31, max: 2 ** 32 - 2 })),
  gid: fc.oneof(fc.nat(70_000), fc.integer({ min: 2 ** 31, max: 2 ** 32 - 2 })),
  data: fc.uint8Array({ maxLength: 2000 }),
  seconds: fc.bigInt({ min: -(2n ** 33n), max: 2n ** 40n }),
  linkPath: names,
  device: fc.tuple(fc.nat(4000), fc.nat(200_000)).map(([major, minor]) => ({ major, minor })),
  xattrs: fc.array(fc.tuple(fc.stringMatching(/^[a-z.]{1,20}$/), fc.uint8Array({ maxLength: 100 })), { maxLength: 3 }),
});

test("what is written is read again, whatever the pieces it comes in", () => {
  fc.assert(
    fc.property(fc.array(entries, { maxLength: 5 }), fc.integer({ min: 1, max: 3000 }), (list, step) => {
      const files = list.map(({ data, seconds, xattrs, ...fields }): [TarEntry, Buffer] => {
        const content = fields.type === "file" ? Buffer.from(data) : Buffer.alloc(0);
        const map = new Map(xattrs.map(([name, value]) => [`user.${name}`, Buffer.from(value)]));
        return [
          entry({ ...fields, size: content.length, modifiedNanos: seconds * 1_000_000_000n, xattrs: map } as TarEntry),
          content,
        ];
      });
      const read = readTar(archive(...files), step);
      assert.deepEqual(
        read.map((one) => [one.entry, one.data]),
        files,
      );
    }),
    { numRuns: 300 },
  );
});

test("names of any bytes come back as those bytes", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 50 }), (bytes) => {
      assert.deepEqual(encodeName(decodeName(Buffer.from(bytes))), Buffer.from(bytes));
    }),
  );
});

test("random bytes and damaged archives are refused, or read, but never crash the reader", () => {
  const good = archive(
    [entry({ path: "a".repeat(150), size: 700 }), Buffer.alloc(700, 1)],
    [entry({ path: "ü", type: "directory" })],
  );
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { maxLength: 4 }),
      fc.nat(good.length),
      (changes, length) => {
        const bad = Buffer.from(good.subarray(0, length));
        for (const [at, value] of changes) if (at < bad.length) bad[at] = value;
        try {
          readTar(bad, 97);
        } catch (error) {
          assert.equal(
            (error as { code?: string }).code === "invalid" || (error as { code?: string }).code === "unsupported",
            true,
            String(error),
          );
        }
      },
    ),
    { numRuns: 1000 },
  );
});

test("a cut archive ends unexpectedly, except between two entries", () => {
  const whole = archive([entry({ size: 600 }), Buffer.alloc(600)]);
  assert.throws(() => readTar(whole.subarray(0, 700)), { code: "invalid", message: "unexpected EOF" });
  assert.throws(() => readTar(whole.subarray(0, 100)), { code: "invalid", message: "unexpected EOF" });
  assert.equal(readTar(whole.subarray(0, 512 + 1024)).length, 1);
  assert.deepEqual(readTar(Buffer.alloc(0)), []);
  assert.throws(() => readTar(Buffer.alloc(512, "x")), { code: "invalid", message: "archive/tar: invalid tar header" });
});

test("a header that asks for more memory than the limit is refused before it is read", () => {
  const pax = encodeTarHeader(entry({ path: "x".repeat(300) }));
  pax.write("00077777777\0", 124, "latin1");
  pax.write("        ", 148, "latin1");
  const sum = pax.subarray(0, 512).reduce((total, byte) => total + byte, 0);
  pax.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  assert.throws(() => readTar(pax), { code: "invalid" });
  assert.throws(() => readTar(archive([entry({ path: "x/".repeat(2100) })])), {
    code: "invalid",
    message: /longer than 4096 bytes/,
  });
});

/** A folder with a sparse file, long names, links, and GNU tar's archives of it. */
function withFolder(run: (folder: string) => void): void {
  const folder = mkdtempSync(join(tmpdir(), "gantry-tar-"));
  try {
    run(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

test("GNU tar's archives are read: sparse files of every version, long names, links", () => {
  withFolder((folder) => {
    const tree = join(folder, "tree");
    const deep = join(tree, "d".repeat(120), "e".repeat(120));
    mkdirSync(deep, { recursive: true });
    writeFileSync(join(deep, "f".repeat(200)), "deep");
    writeFileSync(join(tree, "sparse"), "");
    truncateSync(join(tree, "sparse"), 64 * 1024 * 1024);
    const fd = openSync(join(tree, "sparse"), "r+");
    for (let region = 0; region < 40; region++) writeSync(fd, `region ${region}`, region * 1024 * 1024);
    closeSync(fd);
    symlinkSync("l".repeat(200), join(tree, "link"));
    linkSync(join(tree, "sparse"), join(tree, "twin"));
    const content = readFileSync(join(tree, "sparse"));
    const dialects = [["--format=gnu", "-S"], ["--format=gnu"], ["--format=posix"]];
    for (const version of ["0.0", "0.1", "1.0"]) dialects.push(["--format=posix", "-S", `--sparse-version=${version}`]);
    for (const dialect of dialects) {
      const file = join(folder, "out.tar");
      execFileSync("tar", ["--sort=name", ...dialect, "-cf", file, "-C", tree, "."]);
      const read = readTar(readFileSync(file), 10_000);
      const find = (path: string): Read => {
        const one = read.find((candidate) => candidate.entry.path === path);
        assert(one, `${path} in ${dialect.join(" ")}`);
        return one;
      };
      const sparse = find("./sparse");
      assert.equal(sparse.data.equals(content), true, dialect.join(" "));
      if (dialect.includes("-S")) assert.equal(sparse.written < 1024 * 1024, true, "holes are not expanded");
      assert.equal(find(`./${"d".repeat(120)}/${"e".repeat(120)}/${"f".repeat(200)}`).data.toString(), "deep");
      assert.equal(find("./link").entry.linkPath, "l".repeat(200));
      assert.deepEqual([find("./twin").entry.type, find("./twin").entry.linkPath], ["link", "./sparse"]);
    }
  });
});

test("GNU tar reads what is written", () => {
  withFolder((folder) => {
    const file = join(folder, "in.tar");
    const long = `${"p".repeat(90)}/${"q".repeat(90)}/${"r".repeat(50)}`;
    writeFileSync(
      file,
      archive(
        [
          entry({ path: "plain", size: 5, mode: 0o4755, uid: 3_000_000, modifiedNanos: 1_000_000_000n * 86_400n }),
          Buffer.from("hello"),
        ],
        [entry({ path: long, size: 4 }), Buffer.from("long")],
        [entry({ path: "über", type: "symlink", linkPath: "plain" })],
        [entry({ path: `${"s".repeat(99)}/${"t".repeat(99)}/`, type: "directory" })],
      ),
    );
    const list = execFileSync("tar", ["--quoting-style=literal", "--utc", "--numeric-owner", "-tvf", file], {
      encoding: "utf8",
      env: { ...process.env, LC_ALL: "C.UTF-8" },
    });
    assert.match(list, /^-rwsr-xr-x 3000000\/0 +5 1970-01-02 00:00 plain$/m);
    assert.match(list, new RegExp(`^-rw-r--r-- 0/0 +4 1970-01-01 00:00 ${long}$`, "m"));
    assert.match(list, /^lrw-r--r-- 0\/0 +0 1970-01-01 00:00 über -> plain$/m);
    assert.match(list, new RegExp(`^drw-r--r-- .* ${"s".repeat(99)}/${"t".repeat(99)}/$`, "m"));
  });
});
