// npm test [-- path-part ...]: every test in src/ and test/, or those whose path contains one of the words.
// The end-to-end suites (kernel, clients) run after the fast ones, so that a plain mistake shows in seconds.
import { spawn } from "node:child_process";
import { globSync } from "node:fs";
import { makeTestImage } from "./make-test-images.ts";

const root = new URL("../", import.meta.url).pathname;
const words = process.argv.slice(2).filter((word) => !word.startsWith("--"));
const options = process.argv.slice(2).filter((word) => word.startsWith("--"));
const wanted = (path: string): boolean => words.length === 0 || words.some((word) => path.includes(word));
const endToEnd = /^test\/(kernel|clients|regress|sim)\//;

const files = globSync(["src/**/*.test.ts", "test/**/*.test.ts"], { cwd: root }).filter(wanted).sort();
const ordered = [...files.filter((path) => !endToEnd.test(path)), ...files.filter((path) => endToEnd.test(path))];
if (ordered.length === 0) {
  console.error(`npm test: no test file matches ${words.join(" ")}`);
  process.exit(1);
}

// Made before anything runs: most tests have a network of their own, from which no package can be fetched.
for (const image of ["busybox", "redis", "nginx"]) await makeTestImage(image);

const flags = [
  "--test",
  "--test-concurrency=2",
  "--test-timeout=300000",
  "--test-force-exit",
  "--test-reporter=spec",
  "--test-reporter-destination=stdout",
];
const child = spawn(`${root}bin/node`, ["--disable-warning=ExperimentalWarning", ...flags, ...options, ...ordered], {
  cwd: root,
  stdio: ["ignore", "inherit", "inherit"],
});
child.on("close", (code) => (process.exitCode = code ?? 1));
