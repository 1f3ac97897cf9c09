import assert from "node:assert/strict";
import { chownSync, mkdirSync, readFileSync, readlinkSync, statSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { planExec } from "../../src/containers/launch.ts";
import type { OciLinux, OciMount } from "#formats/oci-spec.ts";
import { runContainer, skipRuntime, withContainer } from "../support/runtime.ts";

const skip = skipRuntime ?? false;

const FIRST = 231072;
const mappings = [{ containerID: 0, hostID: FIRST, size: 65536 }];
const remapped: Partial<OciLinux> = {
  namespaces: (["mount", "network", "uts", "ipc", "pid", "cgroup", "user"] as const).map((type) => ({ type })),
  uidMappings: mappings,
  gidMappings: mappings,
  sysctl: { "net.ipv4.ip_unprivileged_port_start": "0" },
};

test("a user namespace: root inside is nobody outside, and all of the image is its own", { skip }, async () => {
  const script = [
    "id -u; id -g; cat /proc/self/uid_map | tr -s ' '",
    "stat -c '%u %g' /bin/busybox /etc /dev/pts/ptmx",
    "echo new > /file; chown 7:8 /file; stat -c '%u %g' /file",
    "hostname; cat /proc/sys/net/ipv4/ip_unprivileged_port_start",
    "ls /dev | sort | tr '\\n' ' '; echo; echo x > /dev/null && head -c4 /dev/zero | wc -c",
    "mknod /dev/mem0 c 1 1 2>/dev/null || echo no node; grep -c cgroup /proc/mounts; grep CapBnd /proc/self/status",
  ];
  await withContainer({ args: ["sh", "-c", script.join("\n")], linux: remapped }, async (container) => {
    const { start, exit, log, shim, directory } = container;
    await start();
    assert.equal((await exit()).code, 0, log());
    await shim.acknowledge("init");
    const lines = log().split("\n");
    assert.deepEqual(lines.slice(0, 3), ["0", "0", ` 0 ${FIRST} 65536`]);
    assert.deepEqual(lines.slice(3, 7), ["0 0", "0 0", "0 0", "7 8"], "files of the image, and new ones");
    assert.deepEqual(lines.slice(7, 9), ["box", "0"], "its own host name and network");
    assert.match(lines[9] ?? "", /^core fd full mqueue null ptmx pts random shm .* urandom zero /);
    assert.equal(lines[10], "4");
    assert.match(log(), /no node\n[1-9]/);
    const { uid, gid } = statSync(`${directory}/upper/file`);
    assert.deepEqual([uid, gid], [7, 8], "on disk as every other container writes it");
  });
});

test("outside it is another user, in namespaces that belong to its own; exec enters them", { skip }, async () => {
  await withContainer({ args: ["sleep", "100"], linux: remapped }, async (container) => {
    const { start, exit, shim, spec, host, cgroup } = container;
    const { pid } = await start();
    assert.match(readFileSync(`/proc/${pid}/status`, "utf8"), new RegExp(`Uid:\\t${FIRST}\\t${FIRST}\\t`));
    assert.match(readFileSync(`/proc/${pid}/status`, "utf8"), new RegExp(`PPid:\\s+${shim.pid}\n`));
    for (const namespace of ["user", "mnt", "pid", "net", "ipc", "uts", "cgroup"]) {
      const [own, ours] = [pid, "self"].map((process) => readlinkSync(`/proc/${process}/ns/${namespace}`));
      assert.notEqual(own, ours, namespace);
    }
    assert.ok(readFileSync(`/proc/${pid}/cgroup`, "utf8").includes(cgroup.path));
    const process = {
      ...spec.process,
      user: { uid: 5, gid: 6 },
      cwd: "/",
      args: ["sh", "-c", "id -u; id -g; grep -q sleep /proc/1/cmdline && echo same; exit 3"],
    };
    await shim.spawn("e1", planExec(process, spec, host), {
      stdin: "none",
      log: { path: `${container.directory}/exec.log`, maxBytes: 0, maxFiles: 1 },
    });
    assert.equal((await exit("e1")).code, 3);
    const lines = readFileSync(`${container.directory}/exec.log`, "utf8").trim().split("\n");
    assert.deepEqual(
      lines.map((line) => (JSON.parse(line) as { log: string }).log.trim()),
      ["5", "6", "same"],
    );
    assert.equal(await shim.signal("init", 9), true);
    assert.equal((await exit()).signal, 9);
  });
});

test(
  "a directory of the host that only its root may enter can be a volume; its ids are mapped when asked for",
  { skip },
  async () => {
    const script = "stat -c %u /plain/f /mapped/f; echo x > /mapped/new; touch /plain/new || echo denied; cat /one";
    await withContainer({ args: ["sh", "-c", script], linux: remapped }, async (container) => {
      const { directory, spec, start, exit, log } = container;
      mkdirSync(`${directory}/closed`, { mode: 0o700 });
      for (const name of ["plain", "mapped"]) {
        mkdirSync(`${directory}/closed/${name}`);
        writeFileSync(`${directory}/closed/${name}/f`, "");
      }
      writeFileSync(`${directory}/closed/one`, "one\n");
      const bind = (name: string, ...options: string[]): OciMount => ({
        destination: `/${name}`,
        type: "bind",
        source: `${directory}/closed/${name}`,
        options: ["rbind", "rprivate", ...options],
      });
      spec.mounts?.push(bind("plain"), bind("mapped", "idmap"), bind("one", "ro", "idmap"));
      await start();
      await exit();
      assert.equal(log().replace(/^touch.*\n/gm, ""), "65534\n0\ndenied\none\n");
      assert.equal(statSync(`${directory}/closed/mapped/new`).uid, 0);
    });
  },
);

test("mapped ids without a user namespace: a mount with maps of its own", { skip }, async () => {
  await withContainer({ args: ["stat", "-c", "%u %g", "/data/f"] }, async (container) => {
    const { directory, spec, start, exit, log } = container;
    mkdirSync(`${directory}/data`);
    writeFileSync(`${directory}/data/f`, "");
    chownSync(`${directory}/data/f`, 1, 2);
    const map = (hostID: number) => [{ containerID: 0, hostID, size: 1000 }];
    spec.mounts?.push({
      destination: "/data",
      type: "bind",
      source: `${directory}/data`,
      options: ["bind", "idmap"],
      uidMappings: map(5000),
      gidMappings: map(6000),
    });
    await start();
    await exit();
    assert.equal(log(), "5001 6002\n");
  });
});

test("a terminal, a read-only root, and a second container in the same user namespace", { skip }, async () => {
  await withContainer({ args: ["sleep", "100"], linux: remapped }, async (first) => {
    const { pid } = await first.start();
    const joined = (["user", "network", "ipc"] as const).map((type) => ({
      type,
      path: `/proc/${pid}/ns/${type === "network" ? "net" : type}`,
    }));
    const network = ["CAP_NET_ADMIN"];
    const { output, exit } = await runContainer({
      args: [
        "sh",
        "-c",
        "id -u; touch /x || echo ro; ip addr add 10.9.8.7/32 dev lo && echo mine; cat /proc/self/uid_map | tr -s ' '",
      ],
      spec: { root: { path: "/", readonly: true } },
      process: { capabilities: { bounding: network, effective: network, permitted: network } },
      linux: {
        ...remapped,
        sysctl: {},
        namespaces: [...joined, ...(["mount", "uts", "pid", "cgroup"] as const).map((type) => ({ type }))],
      },
    });
    assert.equal(exit.code, 0, output);
    assert.equal(output.replace(/^touch.*\n/m, ""), `0\nro\nmine\n 0 ${FIRST} 65536\n`);
    await first.shim.signal("init", 9);
    await first.exit();
  });
});
