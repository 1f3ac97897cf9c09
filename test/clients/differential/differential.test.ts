/**
 * The same docker commands against Gantry and dockerd: output, exit codes and documents have to be the same. dockerd's side is recorded in
 * test/golden/docker/ (dockerd 28.5.2, docker CLI 28.2.2, a host with cgroup v1). With GANTRY_DIFFERENTIAL=dockerd and a dockerd on the PATH it is run anew
 * and Gantry compared with that; GANTRY_DIFFERENTIAL=record records it.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, globSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { before, describe, test } from "node:test";
import { startDockerd } from "../../../bench/peers.ts";
import { enterFreshHost } from "#test/isolated-network.ts";
import { startGantry } from "#test/gantry.ts";
import { testImage } from "#test/images.ts";
import { transcript, type Daemon } from "./transcript.ts";

const scripts = globSync(join(import.meta.dirname, "scripts/*.sh")).sort();
const recorded = join(import.meta.dirname, "../../golden/docker");
const only = process.env["GANTRY_DIFFERENTIAL_SCRIPT"] ?? "";
const mode = process.env["GANTRY_DIFFERENTIAL"] ?? "";
/** What runs every time; all scripts with GANTRY_DIFFERENTIAL=all (some minutes), `dockerd` or `record`. */
const EVERY_TIME = ["inspect", "streams", "system", "volumes"];
const wanted = (name: string): boolean =>
  name.includes(only) && (mode !== "" || only !== "" || EVERY_TIME.includes(name));
const update = mode === "record";
const withDockerd = update || mode === "dockerd";

describe("the same commands give the same as with dockerd", () => {
  let gantry: Daemon;
  const live = new Map<string, string>();
  before(async () => {
    const image = await testImage("busybox");
    if (withDockerd) await runDockerd(image, live);
    if (update) return;
    const { root, status } = await startGantry({ flags: ["--no-kubernetes", "--bip", "172.17.0.1/16"] });
    gantry = { socket: status.dockerSocket ?? "", root, image };
  });

  for (const path of scripts) {
    const name = basename(path, ".sh");
    if (!wanted(name)) continue;
    test(name, { skip: reasonToSkip() ?? false }, async () => {
      const expected = live.get(name) ?? readFileSync(join(recorded, `${name}.txt`), "utf8");
      const actual = await transcript(readFileSync(path, "utf8"), gantry);
      const out = process.env["GANTRY_DIFFERENTIAL_OUT"];
      if (out) writeFileSync(join(out, `${name}.txt`), actual);
      assert.equal(actual, expected);
    });
  }
});

/** What was recorded belongs to the client and the kernel that it was recorded with. */
function reasonToSkip(): string | undefined {
  if (update) return "recording";
  if (withDockerd) return undefined;
  if (!existsSync("/sys/fs/cgroup/memory/memory.limit_in_bytes")) return "recorded on a host with cgroup v1";
  const version = spawnSync("docker", ["--version"], { encoding: "utf8" }).stdout;
  return version.startsWith("Docker version 28.") ? undefined : `recorded with a docker CLI 28, this is ${version}`;
}

async function runDockerd(image: string, live: Map<string, string>): Promise<void> {
  await enterFreshHost();
  const dockerd = await startDockerd();
  if (!dockerd) throw new Error("no dockerd on the PATH that starts");
  try {
    mkdirSync(recorded, { recursive: true });
    for (const path of scripts) {
      const name = basename(path, ".sh");
      if (!wanted(name)) continue;
      const text = await transcript(readFileSync(path, "utf8"), { socket: dockerd.socket, root: dockerd.root, image });
      live.set(name, text);
      if (update) writeFileSync(join(recorded, `${name}.txt`), text);
    }
  } finally {
    await dockerd.stop();
  }
}
