/** gantry-runtime on bundles of a test's own: bundled once for the test file, since a command is a process each time. */
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { build } from "esbuild";
import { DEFAULT_CAPABILITIES } from "#formats/docker-capabilities.ts";
import { MASKED_PATHS, READONLY_PATHS } from "#formats/docker-defaults.ts";
import type { OciSpec } from "#formats/oci-spec.ts";
import { openCgroup } from "#linux/cgroups.ts";
import { DEFAULT_MOUNTS } from "../../src/containers/spec/defaults.ts";
import { busyboxRoot } from "./runtime.ts";

const project = new URL("../../", import.meta.url).pathname;

const cleanups: (() => Promise<void>)[] = [];
after(async () => {
  for (const cleanup of cleanups) await cleanup();
});

export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface OciRuntime {
  /** Removed after the test file. */
  readonly directory: string;
  /** The runtime's state. */
  readonly root: string;
  /** A script that starts it, for others who want one by path. */
  readonly command: string;
  /** Runs a command to its end. */
  run(...args: string[]): Outcome;
  /** Runs it, and fails unless its exit code is 0. */
  ok(...args: string[]): string;
  spawn(...args: string[]): ChildProcess;
  /** A bundle with busybox, changed by `change`. */
  bundle(change?: (spec: OciSpec) => void): string;
  /** An id that nobody has; its container is removed after the test file. */
  id(): string;
}

export async function ociRuntime(): Promise<OciRuntime> {
  const directory = mkdtempSync(join(tmpdir(), "gantry-oci-"));
  const root = join(directory, "state");
  const rootfs = join(directory, "rootfs");
  busyboxRoot(rootfs);
  const ids: string[] = [];
  let bundles = 0;
  const command = await bundled(directory);
  const run = (...args: string[]): Outcome => outcome(directory, command, ["--root", root, ...args]);
  cleanups.push(async () => {
    for (const id of ids) {
      run("delete", "--force", id);
      await openCgroup(`/${id}`).remove();
    }
    rmSync(directory, { recursive: true, force: true });
  });
  return {
    directory,
    root,
    command,
    run,
    ok(...args) {
      const { code, stdout, stderr } = run(...args);
      if (code !== 0) throw new Error(`gantry-runtime ${args.join(" ")}: ${code}: ${stderr}`);
      return stdout;
    },
    spawn: (...args) => spawn(command, ["--root", root, ...args], { stdio: ["pipe", "pipe", "inherit"] }),
    bundle(change) {
      const bundle = join(directory, `bundle${bundles++}`);
      mkdirSync(bundle);
      symlinkSync(rootfs, join(bundle, "rootfs"));
      const spec = plainSpec();
      change?.(spec);
      writeFileSync(join(bundle, "config.json"), JSON.stringify(spec));
      return bundle;
    },
    id() {
      const id = `oci-${process.pid}-${ids.length}`;
      ids.push(id);
      return id;
    },
  };
}

/** The sources as a bundle, with a script that runs it. */
async function bundled(directory: string): Promise<string> {
  await build({
    absWorkingDir: project,
    entryPoints: ["src/main/gantry-runtime.ts"],
    // Beside node_modules and native: what is not bundled is looked for from there.
    outdir: join(directory, "dist"),
    bundle: true,
    splitting: true,
    format: "esm",
    platform: "node",
    target: "node26",
    external: ["koffi"],
    banner: {
      js: 'import { createRequire as __createRequire } from "node:module"; const require = __createRequire(import.meta.url);',
    },
    logLevel: "warning",
  });
  for (const name of ["native", "node_modules"]) symlinkSync(join(project, name), join(directory, name));
  const script = join(directory, "gantry-runtime");
  const line = `exec ${process.execPath} --disable-warning=ExperimentalWarning ${directory}/dist/gantry-runtime.js "$@"`;
  writeFileSync(script, `#!/bin/sh\nexport NODE_COMPILE_CACHE=${directory}/cache\n${line}\n`, { mode: 0o755 });
  return script;
}

/** Through files: a container that stays would hold a pipe open. */
function outcome(directory: string, command: string, args: readonly string[]): Outcome {
  const files = ["stdout", "stderr"].map((name) => join(directory, name));
  const [out = -1, err = -1] = files.map((file) => openSync(file, "w"));
  try {
    const { status } = spawnSync(command, args, { timeout: 60_000, stdio: ["ignore", out, err] });
    const [stdout = "", stderr = ""] = files.map((file) => readFileSync(file, "utf8"));
    return { code: status ?? -1, stdout, stderr };
  } finally {
    for (const fd of [out, err]) closeSync(fd);
  }
}

function plainSpec(): OciSpec {
  const capabilities = [...DEFAULT_CAPABILITIES];
  return {
    ociVersion: "1.2.0",
    root: { path: "rootfs" },
    hostname: "box",
    mounts: DEFAULT_MOUNTS.map((mount) => ({ ...mount })),
    process: {
      user: { uid: 0, gid: 0 },
      args: ["true"],
      env: ["PATH=/bin"],
      cwd: "/",
      capabilities: { bounding: capabilities, effective: capabilities, permitted: capabilities },
    },
    linux: {
      namespaces: (["mount", "network", "uts", "ipc", "pid", "cgroup"] as const).map((type) => ({ type })),
      maskedPaths: [...MASKED_PATHS],
      readonlyPaths: [...READONLY_PATHS],
      resources: { devices: [{ allow: false, access: "rwm" }] },
    },
  };
}
