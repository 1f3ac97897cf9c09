/**
 * The corpus of Dockerfiles (test/builds): one for each feature and each known error. What becomes of each (configuration, history, files, warnings,
 * message) must be as its golden.txt has it; `GANTRY_UPDATE_GOLDEN=1` rewrites those. `GANTRY_BUILD_PEER=<docker CLI>,<socket>` builds the
 * corpus with another engine, too, and prints what differs.
 */
import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { text as readAll } from "node:stream/consumers";
import { before, test } from "node:test";
import { dockerOk } from "#test/docker-cli.ts";
import { comparable, peerOutcome, peerTree } from "#test/build-peer.ts";
import { ask, buildCase, corpusCases, plainConfig, treeOf, type CorpusCase } from "#test/build-corpus.ts";
import { startGantry, type TestGantry } from "#test/gantry.ts";
import { testImage } from "#test/images.ts";

const cases = corpusCases();
const update = process.env["GANTRY_UPDATE_GOLDEN"] !== undefined;
let gantry: TestGantry;
let base: ReadonlySet<string>;
let socket = "";

before(async () => {
  gantry = await startGantry({ flags: ["--no-kubernetes"] });
  socket = `${gantry.root}/run/docker.sock`;
  await dockerOk(gantry, "load", "-i", await testImage("busybox"));
  base = new Set(await treeOf(await ask(socket, "GET", "/gantry/images/busybox/files")));
});

interface ImageDocument {
  readonly Config: Record<string, unknown>;
  readonly Author: string;
}

/** What became of a case, as text. */
async function outcomeOf(one: CorpusCase): Promise<string> {
  const events = await buildCase(socket, one);
  const lines: string[] = [];
  for (const { kind, warning } of events) {
    const { rule, message, line } = (warning ?? {}) as { rule?: string; message?: string; line?: number };
    if (kind === "warning") lines.push(`warning: ${rule ? `${rule}: ` : ""}${message}${line ? ` (line ${line})` : ""}`);
  }
  const error = events.find(({ kind }) => kind === "error");
  if (error) {
    const { message, excerpt = "" } = error as { message: string; excerpt?: string };
    return [...lines, `error: ${message}`, excerpt].join("\n").trimEnd();
  }
  const id = String(events.find(({ kind }) => kind === "result")?.["imageId"]);
  const image = JSON.parse(await readAll(await ask(socket, "GET", `/images/${id}/json`))) as ImageDocument;
  if (image.Author) lines.push(`author: ${image.Author}`);
  for (const [name, value] of Object.entries(plainConfig(image.Config)))
    lines.push(`${name}: ${JSON.stringify(value)}`);
  const history = JSON.parse(await readAll(await ask(socket, "GET", `/images/${id}/history`))) as {
    CreatedBy: string;
  }[];
  assert(Array.isArray(history), `${one.name}: ${JSON.stringify(history)}`);
  for (const { CreatedBy } of history.toReversed()) if (CreatedBy !== "") lines.push(`history: ${CreatedBy}`);
  const tree = await treeOf(await ask(socket, "GET", `/gantry/images/${id}/files`));
  const names = new Set(tree);
  return [
    ...lines,
    ...tree.filter((line) => !base.has(line)),
    ...(one.dockerfile.toLowerCase().includes("from scratch")
      ? []
      : [...base].filter((line) => !names.has(line)).map((line) => `gone: ${line}`)),
  ].join("\n");
}

test(`${cases.length} Dockerfiles give what they must`, async (t) => {
  const queue = [...cases];
  const failures: string[] = [];
  const work = async (): Promise<void> => {
    for (let one = queue.shift(); one; one = queue.shift()) {
      const outcome = `${await outcomeOf(one)}\n`;
      const golden = join(one.directory, "golden.txt");
      if (update) writeFileSync(golden, outcome);
      else if (!existsSync(golden)) failures.push(`${one.name}: no golden.txt:\n${outcome}`);
      else if (readFileSync(golden, "utf8") !== outcome)
        failures.push(`${one.name}:\n--- wanted\n${readFileSync(golden, "utf8")}--- found\n${outcome}`);
    }
  };
  await Promise.all([work(), work(), work()]);
  t.diagnostic(`${cases.length} cases`);
  assert.equal(failures.join("\n"), "");
  assert(cases.length >= 60);
});

const [cli = "", peerSocket = ""] = (process.env["GANTRY_BUILD_PEER"] ?? "").split(",");

test(
  "another engine gives the same",
  { skip: cli === "" ? "GANTRY_BUILD_PEER is not set" : false, timeout: 900_000 },
  async (t) => {
    const peer = { cli, socket: peerSocket };
    const loaded = await gantry.run("env", [
      `DOCKER_HOST=unix://${peerSocket}`,
      cli,
      "load",
      "-i",
      await testImage("busybox"),
    ]);
    assert.equal(loaded.code, 0, loaded.stderr);
    const theirs = new Set(await peerTree(peer, "busybox"));
    let same = 0;
    for (const one of cases) {
      const wanted = comparable(readFileSync(join(one.directory, "golden.txt"), "utf8"));
      const found = await peerOutcome(peer, one, theirs);
      const bothFail = wanted[0]?.startsWith("error: ") && found[0]?.startsWith("error: ");
      if (wanted.join("\n") === found.join("\n")) same++;
      else if (bothFail) console.log(`${one.name}: both refuse it\n  ours   ${wanted[0]}\n  theirs ${found[0]}`);
      else {
        const only = (a: string[], b: string[]): string => a.filter((line) => !b.includes(line)).join("\n    ");
        console.log(`${one.name} differs\n  ours   ${only(wanted, found)}\n  theirs ${only(found, wanted)}`);
      }
    }
    t.diagnostic(`${same} of ${cases.length} are the same`);
  },
);
