import assert from "node:assert/strict";
import { chmod, lstat, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { giveTreeToGroup } from "./fs-group.ts";

const skip = process.getuid?.() === 0 ? false : "needs root to change owners";

test("a volume is given to a group, and what its links lead to is left alone", { skip }, async () => {
  const root = await mkdtemp(join(tmpdir(), "fs-group-"));
  try {
    const [volume, outside] = [join(root, "volume"), join(root, "outside")];
    await mkdir(join(volume, "a"), { recursive: true });
    await writeFile(join(volume, "a", "file"), "x", { mode: 0o600 });
    await writeFile(outside, "x", { mode: 0o600 });
    await symlink(outside, join(volume, "link"));
    await giveTreeToGroup(volume, 4242, true);
    const seen = async (path: string): Promise<[number, string]> => {
      const { gid, mode } = await lstat(path);
      return [gid, (mode & 0o7777).toString(8)];
    };
    assert.deepEqual(await seen(volume), [4242, "2775"]);
    assert.deepEqual(await seen(join(volume, "a")), [4242, "2775"]);
    assert.deepEqual(await seen(join(volume, "a", "file")), [4242, "660"]);
    assert.equal((await lstat(join(volume, "link"))).gid, 4242);
    assert.deepEqual(await seen(outside), [0, "600"]);
    await chmod(join(volume, "a", "file"), 0o600);
    await giveTreeToGroup(volume, 4242, true);
    assert.deepEqual(
      await seen(join(volume, "a", "file")),
      [4242, "600"],
      "the top is as it should be: nothing is done",
    );
  } finally {
    await rm(root, { recursive: true, force: true });
  }
});
