// npm run check: types, lint, format, rooms and tidiness, generated files. Runs everything, then says what failed.
import { spawn } from "node:child_process";

const root = new URL("../", import.meta.url).pathname;
const bin = `${root}node_modules/.bin`;
const checks: readonly [string, string, readonly string[]][] = [
  ["types", `${bin}/tsc`, ["--noEmit", "-p", "."]],
  ["lint", `${bin}/oxlint`, ["--type-aware", "--quiet", "src", "test", "scripts", "bench"]],
  ["format", `${bin}/oxfmt`, ["--check", "src", "test", "scripts", "bench"]],
  ["rooms and tidiness", `${root}bin/node`, ["--test", "--test-reporter=dot", "test/tidy.test.ts"]],
  ["generated files", `${root}bin/node`, ["scripts/generate.ts", "--check"]],
];

const failed: string[] = [];
for (const [name, command, args] of checks) {
  const started = performance.now();
  const code = await run(command, args);
  console.log(`${code === 0 ? "ok    " : "FAILED"} ${name} (${Math.round(performance.now() - started)} ms)`);
  if (code !== 0) failed.push(name);
}
if (failed.length > 0) {
  console.error(`npm run check: failed: ${failed.join(", ")}`);
  process.exitCode = 1;
}

function run(command: string, args: readonly string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: root, stdio: ["ignore", "inherit", "inherit"] });
    child.on("error", reject);
    child.on("close", (code) => resolve(code ?? 1));
  });
}
