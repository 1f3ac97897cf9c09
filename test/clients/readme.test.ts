// The README's commands, walked by a newcomer: a fresh clone, npm ci, then the tour line by line.
import assert from "node:assert/strict";
import { cp, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { run, type Result } from "#test/gantry.ts";
import { enterFreshHost } from "#test/isolated-network.ts";

const project = new URL("../../", import.meta.url).pathname;
let clone = "";

before(enterFreshHost);
after(async () => {
  if (clone === "") return;
  await shell("npx gantry down");
  await rm(clone, { recursive: true, force: true });
});

function shell(script: string, timeoutMs = 240_000): Promise<Result> {
  return run(
    "bash",
    ["-c", script],
    { ...process.env, HOME: clone, GANTRY_ROOT: join(clone, "g"), PWD: clone, GANTRY_SOURCE: "" },
    { timeoutMs },
  );
}

/** The lines of the README's indented blocks that a shell runs. */
function commands(readme: string): string[] {
  const lines = readme.split("\n").filter((line) => line.startsWith("    "));
  return lines.map((line) => line.trim()).filter((line) => line !== "" && !/^(import|const|await|\/\/)/.test(line));
}

test("a fresh clone installs, starts, and walks the tour", { timeout: 600_000 }, async () => {
  clone = await mkdtemp(join(tmpdir(), "gantry-clone-"));
  // What is in the work tree, as git sees it, so that the test holds before a commit as well.
  const files = await run("git", ["-C", project, "ls-files", "-co", "--exclude-standard"], process.env);
  for (const file of files.stdout.split("\n").filter(Boolean))
    await cp(join(project, file), join(clone, file)).catch(() => undefined);
  const all = commands(await readFile(join(project, "README.md"), "utf8"));
  assert.ok(all.includes("npm ci && npx gantry up") && all.includes("npm ci && npm test"), "the two commands");
  // From npm's cache: in the test's own network there is nobody to wait for.
  const installed = await shell(`cd '${clone}' && npm ci --no-audit --no-fund --prefer-offline --fetch-retries=0`);
  assert.equal(installed.code, 0, installed.stderr);
  const tour = all.slice(all.indexOf("npx gantry up -d"));
  const script = tour.map((line) => walk(line)).join("\n");
  const result = await shell(`cd '${clone}' && set -ex\n${script}`);
  assert.equal(result.code, 0, `${result.stderr.slice(-4000)}\n${result.stdout.slice(-2000)}`);
  assert.match(result.stdout, /HTTP\/1\.[01] (200|404)/, "curl reached the published port");
  assert.match(result.stdout, /deployment "hello" successfully rolled out/);
});

/** What a person's hands do: leave a shell again, stop following a log, find a free port. */
function walk(line: string): string {
  if (line.startsWith("docker exec -it")) return `script -qec '${line} -c "echo in; exit"' /dev/null`;
  if (line.startsWith("kubectl logs -f")) return `timeout 5 ${line} || true`;
  if (line.startsWith("curl")) return `${line} --retry 10 --retry-connrefused --retry-delay 1`;
  return line;
}
