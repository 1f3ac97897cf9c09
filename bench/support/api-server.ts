import { fork, type ChildProcess } from "node:child_process";
import { globSync } from "node:fs";
import { mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import type { ConnectionOptions } from "node:tls";
import { build } from "esbuild";
import { parse } from "yaml";
import { lazyHttp } from "../../scripts/lazy-http.ts";

const project = new URL("../../", import.meta.url).pathname;

/** An API server in a process of its own, from a bundle made of the present sources. */
export interface BenchServer {
  /** How to reach it as an administrator. */
  readonly connection: ConnectionOptions;
  /** From the process's start to an answering API. */
  readonly readyMs: number;
  memoryMib(): Promise<number>;
  /** Processor time of its threads so far. */
  processorMs(): Promise<number>;
  /** The longest pause of its event loop since it was last asked. */
  longestPauseMs(): Promise<number>;
  storeMib(): Promise<number>;
  /** Runs the load; with BENCH_PROFILE=folder, the server's CPU profile of it is left there under this name. */
  profiled<T>(name: string, run: () => Promise<T>): Promise<T>;
  stop(): Promise<void>;
}

export interface BenchServers {
  /** Their store, for who fills it before the first starts. */
  readonly file: string;
  /** `bare`: without the controllers, so that `readyMs` is the API's own. */
  start(flags?: readonly string[], bare?: boolean): Promise<BenchServer>;
  remove(): Promise<void>;
}

/** Servers of one store file, one after the other. */
export async function benchServers(): Promise<BenchServers> {
  const folder = await mkdtemp(join(tmpdir(), "gantry-bench-api-"));
  const entries = ["src/main/index.ts", ...globSync("src/**/store.worker.ts", { cwd: project })];
  await build({
    absWorkingDir: project,
    entryPoints: Object.fromEntries(entries.map((path) => [basename(path, ".ts"), path])),
    outdir: join(folder, "dist"),
    bundle: true,
    splitting: true,
    format: "esm",
    platform: "node",
    target: "node26",
    external: ["koffi"],
    plugins: [lazyHttp],
    banner: {
      js: 'import { createRequire as __createRequire } from "node:module"; const require = __createRequire(import.meta.url);',
    },
    minifySyntax: true,
    logLevel: "warning",
  });
  await writeFile(join(folder, "package.json"), '{"type":"module"}');
  const file = join(folder, "state.db");
  return {
    file,
    start: (flags = [], bare = false) => startServer(file, join(folder, "dist/index.js"), flags, bare),
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}

async function startServer(
  file: string,
  library: string,
  flags: readonly string[],
  bare: boolean,
): Promise<BenchServer> {
  const child = fork(join(project, "bench/support/api-victim.ts"), [file, library, ...(bare ? ["bare"] : [])], {
    execPath: join(project, "bin/node"),
    execArgv: ["--disable-warning=ExperimentalWarning", ...flags],
    cwd: join(library, "../.."),
    // As bin/gantry has it.
    env: { ...process.env, NODE_COMPILE_CACHE: join(library, "../.compile-cache") },
  });
  const ready = await answer<{ url: string; kubeconfig: string; readyMs: number }>(child);
  const ask = async <T>(question: string | object): Promise<T> => {
    child.send(question);
    return answer<T>(child);
  };
  return {
    connection: connectionOf(ready.url, ready.kubeconfig),
    readyMs: ready.readyMs,
    memoryMib: async () => (await ask<{ memoryBytes: number }>("memory")).memoryBytes / 2 ** 20,
    processorMs: async () => (await ask<{ processorMs: number }>("processor")).processorMs,
    longestPauseMs: async () => (await ask<{ longestMs: number }>("pauses")).longestMs,
    storeMib: async () => (await stat(file)).size / 2 ** 20,
    async profiled(name, run) {
      const folder = process.env["BENCH_PROFILE"];
      if (!folder) return run();
      await ask("profile");
      const result = await run();
      await ask({ profile: join(folder, `${name}.cpuprofile`) });
      return result;
    },
    async stop() {
      const ended = new Promise((resolve) => child.once("exit", resolve));
      child.send("close");
      await ended;
    },
  };
}

function answer<T>(child: ChildProcess): Promise<T> {
  return new Promise((resolve, reject) => {
    const ended = (code: number | null): void => reject(new Error(`the API server ended with ${String(code)}`));
    child.once("exit", ended);
    child.once("message", (message) => {
      child.off("exit", ended);
      resolve(message as T);
    });
  });
}

interface Kubeconfig {
  readonly clusters: readonly { readonly cluster: { readonly "certificate-authority-data": string } }[];
  readonly users: readonly {
    readonly user: { readonly "client-certificate-data": string; readonly "client-key-data": string };
  }[];
}

function connectionOf(url: string, kubeconfig: string): ConnectionOptions {
  const { clusters, users } = parse(kubeconfig) as Kubeconfig;
  const text = (data = ""): Buffer => Buffer.from(data, "base64");
  const { hostname, port } = new URL(url);
  return {
    host: hostname,
    port: Number(port),
    ca: text(clusters[0]?.cluster["certificate-authority-data"]),
    cert: text(users[0]?.user["client-certificate-data"]),
    key: text(users[0]?.user["client-key-data"]),
  };
}
