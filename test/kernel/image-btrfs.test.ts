// The btrfs driver on a loop file system: containers' roots are snapshots of a subvolume for each image.
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync, statfsSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { openImages } from "#images/open-images.ts";
import { savedImages, streamOf, tarOf, withFolder } from "../support/image-lab.ts";

const lacks = process.getuid?.() !== 0 ? "needs root" : !installed("mkfs.btrfs") ? "needs mkfs.btrfs" : undefined;
const skip = lacks ?? (readFileSync("/proc/filesystems", "utf8").includes("btrfs") ? false : "the kernel has no btrfs");

function installed(command: string): boolean {
  return spawnSync("sh", ["-c", `command -v ${command}`]).status === 0;
}

/** A btrfs of its own in a file. */
function withBtrfs<T>(use: (folder: string) => Promise<T>): Promise<T> {
  return withFolder(async (folder) => {
    const [image, mounted] = [join(folder, "disk"), join(folder, "mounted")];
    writeFileSync(image, "");
    truncateSync(image, 256 * 1024 * 1024);
    mkdirSync(mounted);
    execFileSync("mkfs.btrfs", ["-q", image]);
    execFileSync("mount", ["-o", "loop", image, mounted]);
    try {
      return await use(mounted);
    } finally {
      execFileSync("umount", [mounted]);
    }
  });
}

test("images, snapshots, changes and removal on btrfs", { skip }, () =>
  withBtrfs(async (dataDir) => {
    let images = await openImages({ dataDir, driver: "btrfs", workers: 2 });
    const big = Buffer.alloc(20_000_000, 7);
    const lower = tarOf([{ path: "big", data: big }, { path: "etc/" }, { path: "etc/old", data: "old" }]);
    const upper = tarOf([
      { path: "etc/.wh.old", data: "" },
      { path: "etc/new", data: "new" },
    ]);
    await images.load(streamOf(savedImages([{ tags: ["app:1"], layers: [lower, upper] }])));
    const { id } = images.get("app:1");
    const free = (): number => statfsSync(dataDir).bfree * statfsSync(dataDir).bsize;
    const first = await images.createSnapshot("one", id);
    assert.deepEqual([first.driver, first.mount.kind], ["btrfs", "bind"]);
    execFileSync("sync", ["-f", dataDir]);
    const before = free();
    for (const name of ["two", "three", "four", "five"]) await images.createSnapshot(name, id);
    execFileSync("sync", ["-f", dataDir]);
    assert(before - free() < 5_000_000, "snapshots share the image's bytes");
    const root = first.upperDir;
    assert.equal(readFileSync(join(root, "etc/new"), "utf8"), "new");
    assert(!readdirSync(join(root, "etc")).includes("old"));
    writeFileSync(join(root, "etc/new"), "changed");
    writeFileSync(join(root, "added"), "added");
    rmSync(join(root, "big"));
    assert.deepEqual((await images.changes("one")).map(({ kind, path }) => `${kind} ${path}`).toSorted(), [
      "added /added",
      "deleted /big",
      "modified /etc",
      "modified /etc/new",
    ]);
    assert.equal(readFileSync(join(images.snapshot("two")?.upperDir ?? "", "etc/new"), "utf8"), "new");
    const made = await images.commitLayer(images.exportLayer("one"), images.get(id).config, id, "app:2");
    await images.close();

    images = await openImages({ dataDir, driver: "btrfs", workers: 2 });
    assert.equal(images.snapshots().length, 5);
    const again = await images.createSnapshot("six", made);
    assert.deepEqual(
      [readFileSync(join(again.upperDir, "added"), "utf8"), readdirSync(again.upperDir).includes("big")],
      ["added", false],
    );
    for (const { id: snapshot } of images.snapshots()) await images.removeSnapshot(snapshot);
    for (const tag of ["app:2", "app:1"]) await images.remove(tag, { force: true, prune: true });
    await images.close();
    for (const folder of ["trash", "roots", "snapshots", "layers", "staging"])
      assert.deepEqual(readdirSync(join(dataDir, "images", folder)), [], folder);
  }),
);

test("on another file system btrfs is refused by name", { skip: lacks ?? false }, () =>
  withFolder(async (dataDir) => {
    if (statfsSync(dataDir).type === 0x9123683e) return;
    await assert.rejects(
      openImages({ dataDir, driver: "btrfs" }),
      /storage driver btrfs: prerequisites for driver not satisfied/,
    );
  }),
);
