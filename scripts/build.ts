// npm run build: bundles src/ into dist/ with esbuild. The entry points are the command, the runtime command, the library and the worker threads.
import { globSync } from "node:fs";
import { readdir, rm } from "node:fs/promises";
import { basename } from "node:path";
import { execFileSync } from "node:child_process";
import { build } from "esbuild";
import { lazyHttp } from "./lazy-http.ts";

const root = new URL("../", import.meta.url).pathname;
const dist = `${root}dist`;

/** Worker threads are files named `*.worker.ts`; each becomes an entry point of its own name. */
const workers = globSync("src/**/*.worker.ts", { cwd: root });
const entries = [
  "src/main/gantry.ts",
  "src/main/daemon.ts",
  "src/main/index.ts",
  ...workers,
  ...globSync("src/main/gantry-runtime.ts", { cwd: root }),
];

for (const stale of await readdir(dist).catch(() => [] as string[])) await rm(`${dist}/${stale}`, { recursive: true });
await build({
  absWorkingDir: root,
  entryPoints: Object.fromEntries(entries.map((path) => [basename(path, ".ts"), path])),
  outdir: dist,
  bundle: true,
  splitting: true,
  format: "esm",
  platform: "node",
  target: "node26",
  // The native module is loaded from node_modules at run time.
  external: ["koffi"],
  plugins: [lazyHttp],
  banner: {
    js: 'import { createRequire as __createRequire } from "node:module"; const require = __createRequire(import.meta.url);',
  },
  sourcemap: "linked",
  sourcesContent: false,
  minifySyntax: true,
  legalComments: "linked",
  logLevel: "warning",
});

// The compiled code of what `gantry up` loads is kept beside the bundle, so that the first start is as fast as the next ones.
// What `gantry-runtime create` and `exec` load is kept too: they become another program before they could write it down themselves.
const runtimeParts = globSync("{create,exec,start,kill,delete}-*.js", { cwd: dist });
const load = ["daemon.js", "index.js", ...runtimeParts]
  .map((file) => `await import(${JSON.stringify(`${dist}/${file}`)});`)
  .join("");
execFileSync(
  `${root}bin/node`,
  ["--disable-warning=ExperimentalWarning", "--input-type=module", "-e", `${load} process.exit(0)`],
  {
    env: { ...process.env, NODE_COMPILE_CACHE: `${dist}/.compile-cache` },
    stdio: "inherit",
  },
);
