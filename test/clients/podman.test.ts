/** podman with gantry-runtime as its OCI runtime. */
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { openCgroup } from "#linux/cgroups.ts";
import { ociRuntime, type Outcome } from "../support/oci-runtime.ts";
import { busyboxRoot, skipRuntime } from "../support/runtime.ts";

const missing = spawnSync("podman", ["--version"]).status === 0 ? undefined : "needs podman";
const skip = skipRuntime ?? missing ?? false;
const directory = mkdtempSync(join(tmpdir(), "gantry-podman-"));
let command = "";

/** Everything of podman's lies in our directory, and none of it outlives the test file. */
function podman(...args: string[]): Outcome {
  const places = [
    "--root",
    join(directory, "graph"),
    "--runroot",
    join(directory, "run"),
    "--tmpdir",
    join(directory, "tmp"),
  ];
  const drivers = ["--storage-driver", "vfs", "--cgroup-manager", "cgroupfs", "--events-backend", "none"];
  const { status, stdout, stderr } = spawnSync("podman", [...places, ...drivers, "--runtime", command, ...args], {
    encoding: "utf8",
    timeout: 60_000,
    env: { ...process.env, CONTAINERS_STORAGE_CONF: join(directory, "storage.conf") },
  });
  return { code: status ?? -1, stdout, stderr };
}

/** Limits that a root without CAP_SYS_RESOURCE may set, and no network of podman's. */
const PLAIN = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1000:1000", "--network", "none"];

function ok(...args: string[]): string {
  const { code, stdout, stderr } = podman(...args);
  assert.equal(code, 0, `podman ${args.join(" ")}: ${stderr}`);
  return stdout.trim();
}

before(async () => {
  if (skip) return;
  ({ command } = await ociRuntime());
  const [graphroot, runroot] = [join(directory, "graph"), join(directory, "run")];
  writeFileSync(
    join(directory, "storage.conf"),
    `[storage]\ndriver = "vfs"\ngraphroot = "${graphroot}"\nrunroot = "${runroot}"\n`,
  );
  mkdirSync(join(directory, "rootfs"));
  busyboxRoot(join(directory, "rootfs"));
  execFileSync("tar", ["-C", join(directory, "rootfs"), "-cf", join(directory, "image.tar"), "."]);
  ok("import", join(directory, "image.tar"), "box:test");
});

after(async () => {
  if (!skip) {
    podman("rm", "-fa", "-t", "0");
    // Podman leaves the directory of its containers; another podman may be using it.
    const parent = openCgroup("/libpod_parent");
    if (parent.pids().length === 0) await parent.remove();
  }
  rmSync(directory, { recursive: true, force: true });
});

test("run: output, exit codes, users, limits, read-only roots, volumes, tmpfs", { skip }, () => {
  const { code, stdout } = podman("run", "--rm", ...PLAIN, "box:test", "sh", "-c", "echo hello; exit 3");
  assert.deepEqual([code, stdout], [3, "hello\n"]);
  const flags = [
    "--read-only",
    "--tmpfs",
    "/etc",
    "-v",
    `${directory}:/v:ro`,
    "-w",
    "/tmp",
    "-u",
    "5:6",
    "--cap-drop",
    "all",
    "--memory",
    "64m",
  ];
  const script =
    "id -u; id -g; pwd; touch /v/x || echo ro; touch /x || echo ro; head -1 /etc/passwd; grep CapEff /proc/self/status";
  const shown = ok("run", "--rm", ...PLAIN, ...flags, "box:test", "sh", "-c", script);
  assert.equal(shown, "5\n6\n/tmp\nro\nro\nroot:x:0:0:root:/root:/bin/sh\nCapEff:\t0000000000000000");
  const absent = podman("run", "--rm", ...PLAIN, "box:test", "nope");
  assert.equal(absent.code, 127);
  assert.match(absent.stderr, /executable file not found in \$PATH/);
});

test("a container that stays: exec, a terminal, pause, top, stop; user namespaces", { skip }, () => {
  ok("run", "-d", "--name", "stays", ...PLAIN, "box:test", "sleep", "300");
  assert.deepEqual(podman("exec", "stays", "sh", "-c", "echo in; exit 4"), { code: 4, stdout: "in\n", stderr: "" });
  assert.match(ok("run", "--rm", "-t", ...PLAIN, "box:test", "tty"), /^\/dev\/pts\/0|\/dev\/console$/);
  ok("pause", "stays");
  assert.match(ok("ps", "-a", "--format", "{{.Status}}"), /Paused/i);
  ok("unpause", "stays");
  assert.match(ok("top", "stays"), /sleep 300/);
  ok("stop", "-t", "0", "stays");
  ok("rm", "stays");
  const map = ok(
    "run",
    "--rm",
    ...PLAIN,
    "--uidmap",
    "0:300000:1000",
    "--gidmap",
    "0:300000:1000",
    "box:test",
    "cat",
    "/proc/self/uid_map",
  );
  assert.match(map, /^0 +300000 +1000$/);
});
