import assert from "node:assert/strict";
import { test } from "node:test";
import { isGantryError } from "#base/errors.ts";
import { resolveUser } from "./users.ts";

const files = {
  passwd: [
    "root:x:0:0:root:/root:/bin/sh",
    "# a comment",
    "",
    "web:x:1000:1001:Web:/srv/web:/bin/false",
    "numeric:x:x:y::/",
    "huge:x:4294967296:0::/",
    "short:x:7:8",
  ].join("\n"),
  group: ["root:x:0:root", "wheel:x:10:root,web", "web:x:1001:", "docker:x:999:web", "123:x:55:"].join("\n"),
};
const resolve = (spec: string, groups: string[] = []) => resolveUser(spec, groups, files);

test("users and groups by name, id, both and neither", () => {
  assert.deepEqual(resolve(""), { uid: 0, gid: 0, additionalGids: [0, 10], home: "/root" });
  assert.deepEqual(resolve("web"), { uid: 1000, gid: 1001, additionalGids: [1001, 10, 999], home: "/srv/web" });
  assert.deepEqual(resolve("1000"), { uid: 1000, gid: 1001, additionalGids: [1001, 10, 999], home: "/srv/web" });
  assert.deepEqual(resolve("web:wheel"), { uid: 1000, gid: 10, additionalGids: [10], home: "/srv/web" });
  assert.deepEqual(resolve("4242"), { uid: 4242, gid: 0, additionalGids: [0], home: "/" });
  assert.deepEqual(resolve("4242:77"), { uid: 4242, gid: 77, additionalGids: [77], home: "/" });
  assert.deepEqual(resolve(":web"), { uid: 0, gid: 1001, additionalGids: [1001], home: "/root" });
  assert.deepEqual(resolve("short"), { uid: 7, gid: 8, additionalGids: [8], home: "/" });
});

test("additional groups, each once; a number is an id even when a group has it for a name", () => {
  assert.deepEqual(resolve("web", ["docker", "wheel", "5000", "123"]).additionalGids, [1001, 10, 999, 5000, 123]);
});

test("unknown names are refused in runc's words", () => {
  for (const [spec, groups, text] of [
    ["nobody", [], "unable to find user nobody: no matching entries in passwd file"],
    ["numeric", [], "unable to find user numeric: no matching entries in passwd file"],
    ["web:nogroup", [], "unable to find group nogroup: no matching entries in group file"],
    ["", ["nogroup"], "unable to find group nogroup: no matching entries in group file"],
  ] as const)
    assert.throws(
      () => resolve(spec, [...groups]),
      (error) => isGantryError(error, "invalid") && error.message === text,
    );
});

test("ids that would wrap around to root are refused (CVE-2024-40635)", () => {
  for (const spec of ["-1", "2147483648", "4294967295", "4294967296", "18446744073709551616", "0:4294967296", "huge"])
    assert.throws(
      () => resolve(spec),
      (error) => isGantryError(error, "invalid"),
    );
  assert.equal(resolve("2147483647").uid, 2147483647);
});
