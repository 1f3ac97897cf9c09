/**
 * The same docker commands against Gantry and dockerd: output, exit codes and documents have to be the same. dockerd's side is recorded in
 * test/golden/docker/ (dockerd 28.5.2, docker CLI 28.2.2). With GANTRY_DIFFERENTIAL=dockerd and a dockerd on the PATH it is run anew
 * and Gantry compared with that; GANTRY_DIFFERENTIAL=record records it.
 */
import assert from "node:assert/strict";
import { globSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
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
const update = process.env["GANTRY_DIFFERENTIAL"] === "record";
const live = update || process.env["GANTRY_DIFFERENTIAL"] === "dockerd";

describe("the same commands give the same as with dockerd", () => {
  let gantry: Daemon;
  const wanted = new Map<string, string>();
  before(async () => {
    const image = await testImage("busybox");
    if (live) await runDockerd(image, wanted);
    if (update) return;
    const { root, status } = await startGantry({ flags: ["--no-kubernetes", "--bip", "172.17.0.1/16"] });
    gantry = { socket: status.dockerSocket ?? "", root, image };
  });

  for (const path of scripts) {
    const name = basename(path, ".sh");
    if (!name.includes(only)) continue;
    test(name, { skip: update ? "recording" : false }, async () => {
      const expected = wanted.get(name) ?? readFileSync(join(recorded, `${name}.txt`), "utf8");
      const actual = await transcript(readFileSync(path, "utf8"), gantry);
      const out = process.env["GANTRY_DIFFERENTIAL_OUT"];
      if (out) writeFileSync(join(out, `${name}.txt`), actual);
      assert.equal(actual, expected);
    });
  }
});

async function runDockerd(image: string, wanted: Map<string, string>): Promise<void> {
  await enterFreshHost();
  const dockerd = await startDockerd();
  if (!dockerd) throw new Error("no dockerd on the PATH that starts");
  try {
    mkdirSync(recorded, { recursive: true });
    for (const path of scripts) {
      const name = basename(path, ".sh");
      if (!name.includes(only)) continue;
      const text = await transcript(readFileSync(path, "utf8"), { socket: dockerd.socket, root: dockerd.root, image });
      wanted.set(name, text);
      if (update) writeFileSync(join(recorded, `${name}.txt`), text);
    }
  } finally {
    await dockerd.stop();
  }
}
