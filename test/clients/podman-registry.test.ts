// podman as a stranger's client of the registry: push, pull, run by digest; buildah's media types.
import assert from "node:assert/strict";
import { execFile, execFileSync, spawnSync } from "node:child_process";
import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { promisify } from "node:util";
import { testImage } from "#test/images.ts";
import { withRegistry } from "../support/registry-lab.ts";

const run = promisify(execFile);
const lacks = spawnSync("podman", ["--version"]).status === 0 ? false : "podman is not installed";
const folders: string[] = [];
after(() => folders.forEach((folder) => execFileSync("rm", ["-rf", folder])));

test("podman pushes to the registry and pulls from it", { skip: process.getuid?.() === 0 ? lacks : "needs root" }, () =>
  withRegistry(async ({ host, images }) => {
    const folder = await mkdtemp(join(tmpdir(), "gantry-podman-"));
    folders.push(folder);
    const policy = join(folder, "policy.json");
    await writeFile(policy, JSON.stringify({ default: [{ type: "insecureAcceptAnything" }] }));
    const own = ["--root", join(folder, "root"), "--runroot", join(folder, "run"), "--storage-driver", "vfs"];
    const podman = async (verb: string, ...args: string[]): Promise<string> =>
      (await run("podman", [...own, verb, ...args], { env: { ...process.env, HOME: folder } })).stdout.trim();
    const trust = ["--tls-verify=false", "--signature-policy", policy];
    await podman("pull", "-q", "--signature-policy", policy, `docker-archive:${await testImage("busybox")}`);
    await podman("push", "-q", ...trust, "busybox", `${host}/podman/box:1`);
    const image = await images.pull(`${host}/podman/box:1`, {});
    assert.deepEqual(image.config.config?.Cmd, ["sh"]);
    await images.tag(image.id, `${host}/gantry/box:2`);
    await images.push(`${host}/gantry/box:2`, {});
    const id = await podman("pull", "-q", ...trust, `${host}/gantry/box:2`);
    assert.equal(id, image.id.slice("sha256:".length), "the same image, by the same id");
  }),
);
