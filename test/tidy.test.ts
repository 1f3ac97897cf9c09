// The house rules that a machine can check: arrows between rooms, front doors, READMEs, sizes. Baselines only shrink.
import assert from "node:assert/strict";
import { existsSync, globSync, readFileSync, statSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { describe, test } from "node:test";

type Rooms = { everyone: string[]; rooms: Record<string, string[] | "*"> };
type Baseline = { longFiles: Record<string, number> };

const root = new URL("../", import.meta.url).pathname;
const { everyone, rooms } = JSON.parse(readFileSync(join(root, "rooms.json"), "utf8")) as Rooms;
const baseline = JSON.parse(readFileSync(join(root, "test/tidy-baseline.json"), "utf8")) as Baseline;
const sources = globSync("src/**/*.ts", { cwd: root }).filter((path) => !path.endsWith(".generated.ts"));
const LONGEST_FILE_LINES = 500;

const importPattern =
  /(?:^|\n)\s*(?:import|export)[^;"']*?from\s*["']([^"']+)["']|import\(\s*["']([^"']+)["']\s*\)|(?:^|\n)\s*import\s*["']([^"']+)["']/g;

function importsOf(path: string): string[] {
  const text = readFileSync(join(root, path), "utf8");
  return Array.from(text.matchAll(importPattern), (match) => match[1] ?? match[2] ?? match[3] ?? "");
}

const roomOf = (path: string): string => path.split("/")[1] ?? "";
const isTest = (path: string): boolean => /\.(test|suite)\.ts$/.test(path);

describe("rooms", () => {
  test("only the arrows of rooms.json are drawn, through the front door", () => {
    const wrong: string[] = [];
    for (const path of sources) {
      const from = roomOf(path);
      const allowed = rooms[from];
      assert.ok(allowed, `src/${from} is not a room: add it to rooms.json or move ${path}`);
      for (const specifier of importsOf(path)) {
        if (specifier.startsWith("#")) {
          const [to, ...rest] = specifier.slice(1).split("/");
          if (to === "test" && isTest(path)) continue;
          if (to === from) wrong.push(`${path}: in-room imports are relative (${specifier})`);
          else if (allowed !== "*" && !allowed.includes(to ?? "") && !(from !== "base" && everyone.includes(to ?? "")))
            wrong.push(`${path}: ${from} may not import ${to}`);
          else if (rest.length > 1)
            wrong.push(`${path}: ${specifier} is private to ${to} (only a room's top-level files are public)`);
        } else if (specifier.startsWith(".")) {
          const target = normalize(join(dirname(path), specifier));
          if (roomOf(target) !== from && !(isTest(path) && !target.startsWith("src/")))
            wrong.push(`${path}: reaches into another room by a relative path (${specifier})`);
        }
      }
    }
    assert.deepEqual(wrong, []);
  });

  test("each room has a README", () => {
    const missing = Object.keys(rooms).filter(
      (room) =>
        existsSync(join(root, "src", room)) &&
        sources.some((path) => roomOf(path) === room) &&
        !existsSync(join(root, "src", room, "README.md")),
    );
    assert.deepEqual(missing, []);
  });

  test("test imports are only in tests", () => {
    const wrong = sources.filter(
      (path) => !isTest(path) && importsOf(path).some((specifier) => specifier.startsWith("#test/")),
    );
    assert.deepEqual(wrong, []);
  });
});

describe("tidiness", () => {
  test("files stay short", () => {
    const long: Record<string, number> = {};
    for (const path of [...sources, ...globSync("native/**/*.{c,h}", { cwd: root })]) {
      if (/generated/.test(path)) continue;
      const lines = readFileSync(join(root, path), "utf8").split("\n").length - 1;
      if (lines > LONGEST_FILE_LINES) long[path] = lines;
    }
    const grown = Object.entries(long).filter(
      ([path, lines]) => lines > (baseline.longFiles[path] ?? LONGEST_FILE_LINES),
    );
    assert.deepEqual(grown, [], `over ${LONGEST_FILE_LINES} lines: split them`);
    const stale = Object.keys(baseline.longFiles).filter((path) => !(path in long));
    assert.deepEqual(stale, [], "no longer long: take them out of test/tidy-baseline.json");
  });

  test("system calls are made in one room", () => {
    const wrong = sources.filter((path) => roomOf(path) !== "linux" && importsOf(path).includes("koffi"));
    assert.deepEqual(wrong, []);
  });

  test("no network tools are started", () => {
    const pattern =
      /(?:spawn|exec|execFile|spawnSync|execSync|execFileSync)\(\s*["'`](?:ip|iptables|ip6tables|nft|mount|umount|brctl|tc)["'`]/;
    const wrong = sources.filter((path) => !isTest(path) && pattern.test(readFileSync(join(root, path), "utf8")));
    assert.deepEqual(wrong, []);
  });

  test("no unfinished work is left in the sources", () => {
    const wrong = sources.filter((path) => /\b(TODO|FIXME|XXX)\b/.test(readFileSync(join(root, path), "utf8")));
    assert.deepEqual(wrong, []);
  });

  test("scripts that must run are executable", () => {
    for (const path of globSync("bin/*", { cwd: root })) assert.ok(statSync(join(root, path)).mode & 0o100, path);
  });
});
