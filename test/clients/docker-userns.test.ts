/** `gantry up --userns-remap`: the real docker CLI on a Gantry whose containers have users of their own. */
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import { startGantry, type TestGantry } from "../support/gantry.ts";
import { testImage } from "../support/images.ts";

const FIRST = 231072;
let gantry: TestGantry;

/** In a mount namespace where /etc has ranges for a user. */
function withSubordinateIds(root: string): readonly string[] {
  const upper = join(root, "etc");
  for (const directory of [upper, join(root, "etc-work")]) mkdirSync(directory);
  for (const file of ["subuid", "subgid"]) writeFileSync(join(upper, file), `dockremap:${FIRST}:65536\n`);
  const mount = `mount -t overlay overlay -o lowerdir=/etc,upperdir=${upper},workdir=${join(root, "etc-work")} /etc`;
  return ["unshare", "--mount", "sh", "-c", `${mount} && exec "$@"`, "sh"];
}

async function out(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await gantry.docker(...args);
  assert.equal(code, 0, `docker ${args.join(" ")}: ${stderr}`);
  return stdout.trim();
}

before(async () => {
  gantry = await startGantry({ flags: ["--no-kubernetes", "--userns-remap", "default"], wrap: withSubordinateIds });
  await out("load", "-i", await testImage("busybox"));
});

test("docker info says so, and root of a container is nobody on the host", async () => {
  assert.match(await out("info", "-f", "{{.SecurityOptions}}"), /name=userns/);
  const script =
    "id -u; cat /proc/self/uid_map | tr -s ' '; stat -c %u /bin /etc/hosts; echo 127.0.0.1 me >> /etc/hosts; mkdir /new";
  assert.equal(await out("run", "--rm", "busybox", "sh", "-c", script), `0\n 0 ${FIRST} 65536\n0\n0`);
  const id = await out("run", "-d", "--name", "up", "busybox", "sleep", "100");
  const pid = await out("inspect", "-f", "{{.State.Pid}}", id);
  assert.match(readFileSync(`/proc/${pid}/status`, "utf8"), new RegExp(`Uid:\\t${FIRST}\\t`));
  assert.equal(
    await out("exec", "-u", "3:4", "up", "sh", "-c", "id -u; id -g; cat /etc/hostname"),
    `3\n4\n${id.slice(0, 12)}`,
  );
  assert.match(await out("exec", "-t", "up", "tty"), /^\/dev\/pts\/\d+$/);
});

test("networks, names and ports work as ever", async () => {
  await out("network", "create", "own");
  await out(
    "run",
    "-d",
    "--name",
    "server",
    "--network",
    "own",
    "-p",
    "18080:80",
    "busybox",
    "nc",
    "-ll",
    "-p",
    "80",
    "-e",
    "echo",
    "hi",
  );
  assert.equal(await out("run", "--rm", "--network", "own", "busybox", "nc", "server", "80"), "hi");
  assert.equal((await gantry.run("/bin/busybox", ["nc", "127.0.0.1", "18080"])).stdout, "hi\n");
  assert.equal(await out("run", "--rm", "--network", "container:server", "busybox", "nc", "127.0.0.1", "80"), "hi");
  await out("rm", "-f", "server");
});

test("volumes, copies, commits and builds have the ids that every container sees", async () => {
  await out("volume", "create", "data");
  await out("run", "--rm", "-v", "data:/data", "busybox", "sh", "-c", "echo v > /data/f; chown 5:6 /data/f");
  assert.equal(
    await out("run", "--rm", "-v", "data:/data", "--userns", "host", "busybox", "stat", "-c", "%u %g", "/data/f"),
    "5 6",
  );
  writeFileSync(join(gantry.root, "in"), "in\n");
  await out("cp", join(gantry.root, "in"), "up:/in");
  assert.equal(await out("exec", "up", "stat", "-c", "%u", "/in"), "0");
  await out("exec", "up", "sh", "-c", "echo made > /made; chown 7 /made");
  await out("commit", "up", "committed");
  assert.equal(await out("run", "--rm", "--userns", "host", "committed", "stat", "-c", "%u", "/made"), "7");
  mkdirSync(join(gantry.root, "build"));
  writeFileSync(
    join(gantry.root, "build/Dockerfile"),
    "FROM busybox\nRUN cat /proc/self/uid_map > /map && touch /t && chown 9 /t\n",
  );
  await out("build", "-q", "-t", "built", join(gantry.root, "build"));
  const built = await out("run", "--rm", "built", "sh", "-c", "tr -s ' ' < /map; stat -c '%u' /map /t");
  assert.equal(built, `0 ${FIRST} 65536\n0\n9`);
});

test("--userns host, and what does not go together", async () => {
  assert.match(
    await out("run", "--rm", "--userns", "host", "busybox", "cat", "/proc/self/uid_map"),
    /0 +0 +4294967295/,
  );
  const refused = async (message: RegExp, ...flags: string[]): Promise<void> => {
    const { code, stderr } = await gantry.docker("run", "--rm", ...flags, "busybox", "true");
    assert.equal(code, 125);
    assert.match(stderr, message);
  };
  await refused(/privileged mode is incompatible with user namespaces/, "--privileged");
  await refused(/cannot share the host's network namespace when user namespaces are enabled/, "--network", "host");
  await refused(/cannot share the host PID namespace when user namespaces are enabled/, "--pid", "host");
});

test("root of a container cannot write to a directory of the host's root (CVE-2021-21284)", async () => {
  const { code } = await gantry.docker("run", "--rm", "-v", `${gantry.root}:/host`, "busybox", "touch", "/host/x");
  assert.notEqual(code, 0);
  const data = statSync(join(gantry.root, "data"), { throwIfNoEntry: false });
  assert.ok(data === undefined || data.uid === 0);
});
