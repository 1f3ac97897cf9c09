import { execFile } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { planLaunch } from "#containers/launch.ts";
import type { OciSpec } from "#formats/oci-spec.ts";
import { createCgroup } from "#linux/cgroups.ts";
import { startShim } from "#linux/shim.ts";
import { busyboxRoot } from "#test/runtime.ts";
import { time, type Case, type Measurement } from "../measure.ts";

export const cases: readonly Case[] = [{ name: "the runtime part alone, beside crun and runc", run: runtimePart }];

const execute = promisify(execFile);
const RUNS = 40;
const parent = `/gantry-bench-${process.pid}`;

/** Cgroup, shim, launch, exit and the end of it, with nothing of the engine around; the peers do the same with one command. */
async function runtimePart(): Promise<Measurement[]> {
  const bundle = mkdtempSync(join(tmpdir(), "gantry-bench-"));
  try {
    const spec = writeBundle(bundle);
    const own = await time(RUNS, (index) => runOnce(bundle, spec, `own${index}`));
    const out: Measurement[] = [{ name: "gantry: launch to end", unit: "ms", values: own, goal: "1.3 × crun" }];
    for (const peer of ["crun", "runc"].filter(isInstalled))
      out.push({ name: `${peer} run, mean of ${RUNS}`, unit: "ms", values: [await runPeer(peer, bundle)] });
    return out;
  } finally {
    rmSync(bundle, { recursive: true });
    await createCgroup(parent).remove();
  }
}

const isInstalled = (name: string): boolean => existsSync(`/usr/bin/${name}`) || existsSync(`/usr/sbin/${name}`);

async function runOnce(bundle: string, spec: OciSpec, id: string): Promise<void> {
  const directory = join(bundle, id);
  mkdirSync(directory);
  const cgroup = createCgroup(`${parent}/${id}`, spec.linux?.resources);
  const shim = await startShim(directory);
  const ended = Promise.withResolvers<void>();
  shim.events.on(({ kind }) => kind === "exit" && ended.resolve());
  await shim.spawn("init", planLaunch(spec, { id, pause: "none", cgroup }), { stdin: "none" });
  await ended.promise;
  await shim.acknowledge("init");
  shim.disconnect();
  rmdirSync(directory);
  await cgroup.remove();
}

/** crun refuses a machine with cgroups of both versions: in a mount namespace of its own it sees those of version 1 only. */
async function runPeer(peer: string, bundle: string): Promise<number> {
  const each = `${peer} run --bundle ${bundle} bench-${process.pid}-$i`;
  const script = `umount /sys/fs/cgroup/unified 2>/dev/null; i=0; while [ $i -lt ${RUNS} ]; do ${each} || exit 1; i=$((i+1)); done`;
  const started = performance.now();
  await execute("unshare", ["-m", "sh", "-c", script]);
  return (performance.now() - started) / RUNS;
}

function writeBundle(bundle: string): OciSpec {
  const root = join(bundle, "rootfs");
  mkdirSync(root);
  busyboxRoot(root);
  const mount = (destination: string, type: string, options: string[]) => ({
    destination,
    type,
    source: type,
    options,
  });
  const document: OciSpec = {
    ociVersion: "1.0.2",
    process: { args: ["/bin/true"], cwd: "/", env: ["PATH=/bin"], user: { uid: 0, gid: 0 }, noNewPrivileges: true },
    root: { path: root },
    hostname: "bench",
    mounts: [
      mount("/proc", "proc", []),
      mount("/dev", "tmpfs", ["nosuid", "mode=755"]),
      mount("/dev/pts", "devpts", ["newinstance", "ptmxmode=0666"]),
      mount("/dev/shm", "tmpfs", ["nosuid", "nodev"]),
      mount("/dev/mqueue", "mqueue", ["nosuid"]),
      mount("/sys", "sysfs", ["ro"]),
      mount("/sys/fs/cgroup", "cgroup", ["ro"]),
    ],
    linux: {
      cgroupsPath: `${parent}/peer`,
      namespaces: (["pid", "network", "ipc", "uts", "mount", "cgroup"] as const).map((type) => ({ type })),
    },
  };
  writeFileSync(join(bundle, "config.json"), JSON.stringify(document));
  return document;
}
