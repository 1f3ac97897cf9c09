import assert from "node:assert/strict";
import { lstatSync, mkdtempSync, openSync, readlinkSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import * as sockets from "./sockets.ts";
import * as syscalls from "./syscalls.ts";

const directory = mkdtempSync(join(tmpdir(), "gantry-syscalls-"));
after(() => rmSync(directory, { recursive: true, force: true }));

test("an error carries the call, the number, the name and Go's text", () => {
  assert.throws(
    () => syscalls.open("/no/such/file", syscalls.O_RDONLY),
    (error) => {
      assert.ok(syscalls.isSyscallError(error, "ENOENT"));
      assert.equal(error.errno, 2);
      assert.equal(error.syscall, "openat");
      assert.equal(error.message, "openat /no/such/file: no such file or directory");
      return true;
    },
  );
});

test("openat2 with RESOLVE_IN_ROOT keeps an absolute link inside the directory", () => {
  writeFileSync(join(directory, "inside"), "in");
  symlinkSync("/inside", join(directory, "link"));
  const root = syscalls.open(directory, syscalls.O_PATH | syscalls.O_DIRECTORY);
  const fd = syscalls.openat2(root, "link", { flags: syscalls.O_RDONLY, resolve: syscalls.RESOLVE_IN_ROOT });
  assert.equal(readlinkSync(`/proc/self/fd/${fd}`), join(directory, "inside"));
  assert.throws(
    () => syscalls.openat2(root, "link", { flags: 0, resolve: syscalls.RESOLVE_BENEATH }),
    (error) => syscalls.isSyscallError(error, "EXDEV"),
  );
  syscalls.close(fd);
  syscalls.close(root);
});

test("mknodat, fchownat, utimensat and xattrs say what lstat then reads", { skip: process.getuid?.() !== 0 }, () => {
  const root = openSync(directory, "r");
  syscalls.mknodat(root, "null", syscalls.S_IFCHR | 0o640, { major: 300, minor: 4660 });
  syscalls.fchownat(root, "null", 4_000_000_000, 7);
  syscalls.utimensat(root, "null", { accessedNanos: 5n, modifiedNanos: -1n });
  syscalls.lsetxattr(join(directory, "null"), "trusted.gantry", Buffer.from("x\0y"));
  const status = lstatSync(join(directory, "null"), { bigint: true });
  assert.equal(status.rdev, (300n << 8n) | 0x34n | (0x1200n << 12n));
  assert.equal(status.uid, 4_000_000_000n);
  assert.equal(status.gid, 7n);
  assert.equal(status.atimeNs, 5n);
  assert.equal(status.mtimeNs, -1n);
  assert.deepEqual(syscalls.lgetxattr(join(directory, "null"), "trusted.gantry"), Buffer.from("x\0y"));
  assert.ok(syscalls.llistxattr(join(directory, "null")).includes("trusted.gantry"));
  syscalls.close(root);
});

test("renameat2 exchanges; linkat and symlinkat name", () => {
  const root = openSync(directory, "r");
  syscalls.mkdirat(root, "a", 0o700);
  syscalls.symlinkat("/elsewhere", root, "b");
  syscalls.renameat2(root, "a", root, "b", syscalls.RENAME_EXCHANGE);
  assert.equal(syscalls.readlinkat(root, "a"), "/elsewhere");
  assert.ok(lstatSync(join(directory, "b")).isDirectory());
  syscalls.close(root);
});

test("a datagram socket answers through recvfrom with its sender", () => {
  const [one, two] = [0, 0].map(() => sockets.socket(sockets.AF_INET, sockets.SOCK_DGRAM, 0)) as [number, number];
  const loopback = Buffer.from([2, 0, 0, 0, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
  sockets.bind(one, loopback);
  sockets.bind(two, loopback);
  sockets.sendto(two, Buffer.from("hi"), sockets.getsockname(one));
  const data = Buffer.alloc(8);
  const from = sockets.recvfrom(one, data);
  assert.equal(data.toString("utf8", 0, from.length), "hi");
  assert.deepEqual(from.address, sockets.getsockname(two));
  assert.throws(
    () => sockets.recv(one, data, sockets.MSG_DONTWAIT),
    (error) => syscalls.isSyscallError(error, "EAGAIN"),
  );
  syscalls.close(one);
  syscalls.close(two);
});

test("a pidfd signals its process, and is refused for none", () => {
  const pidfd = syscalls.pidfdOpen(process.pid);
  syscalls.pidfdSendSignal(pidfd, 0);
  syscalls.close(pidfd);
  assert.throws(
    () => syscalls.kill(0x3fffffff, 0),
    (error) => syscalls.isSyscallError(error, "ESRCH"),
  );
});
