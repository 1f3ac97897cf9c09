// `gantry up --storage-driver`: the same build, run and commit on each driver that the machine's file system carries; others are refused by name.
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { dockerOk } from "#test/docker-cli.ts";
import { startGantry, type TestGantry } from "#test/gantry.ts";
import { testImage } from "#test/images.ts";

const hasBtrfs =
  spawnSync("sh", ["-c", "command -v mkfs.btrfs"]).status === 0 &&
  (await readFile("/proc/filesystems", "utf8")).includes("btrfs");

/** A directory; with `btrfs` on a file system of that kind, in a file. */
async function withRoot(btrfs: boolean, use: (root: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "drivers-"));
  const root = join(folder, "root");
  await mkdir(root);
  try {
    if (btrfs) {
      await writeFile(join(folder, "disk"), "");
      await truncate(join(folder, "disk"), 512 * 1024 * 1024);
      execFileSync("mkfs.btrfs", ["-q", join(folder, "disk")]);
      execFileSync("mount", ["-o", "loop", join(folder, "disk"), root]);
    }
    await use(root);
  } finally {
    if (btrfs) execFileSync("umount", [root]);
    await rm(folder, { recursive: true, force: true });
  }
}

async function use(gantry: TestGantry, driver: string): Promise<void> {
  const ok = (...args: string[]): Promise<string> => dockerOk(gantry, ...args);
  assert.equal(await ok("info", "--format", "{{.Driver}}"), driver);
  await ok("load", "-i", await testImage("busybox"));
  const context = await mkdtemp(join(tmpdir(), "drivers-ctx-"));
  try {
    await writeFile(join(context, "file"), "copied");
    await writeFile(join(context, "Dockerfile"), "FROM busybox\nCOPY file /file\nRUN echo ran > /ran && rm /bin/vi");
    await ok("build", "-t", "built", context);
  } finally {
    await rm(context, { recursive: true });
  }
  assert.equal(await ok("run", "--name", "one", "built", "sh", "-c", "cat /file /ran; echo more > /more"), "copiedran");
  assert.deepEqual((await ok("diff", "one")).split("\n"), ["A /more"]);
  await ok("commit", "one", "committed");
  assert.equal(await ok("run", "--rm", "committed", "sh", "-c", "cat /more; ls /bin/vi 2>&1 | grep -c No"), "more\n1");
  await ok("rm", "one");
}

describe("storage drivers", () => {
  for (const driver of ["overlay2", "vfs", "btrfs"]) {
    const skip = driver === "btrfs" && !hasBtrfs ? "needs mkfs.btrfs and a kernel with btrfs" : false;
    test(driver, { skip }, () =>
      withRoot(driver === "btrfs", async (root) => {
        const gantry = await startGantry({ root, flags: ["--no-kubernetes", "--storage-driver", driver] });
        try {
          await use(gantry, driver);
        } finally {
          await gantry.stop();
        }
      }),
    );
  }

  test("one that the file system does not carry, or nobody knows, is refused by name", () =>
    withRoot(false, async (root) => {
      for (const [driver, message] of [
        ["btrfs", /storage driver btrfs: prerequisites for driver not satisfied/],
        ["zfs", /zfs/],
      ] as const)
        await assert.rejects(startGantry({ root, flags: ["--no-kubernetes", "--storage-driver", driver] }), message);
    }));
});
