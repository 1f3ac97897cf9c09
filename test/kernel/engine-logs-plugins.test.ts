// Log records with attributes and compressed rotation, and volumes of a plugin, on real containers.
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { startEngine, type TestEngine } from "#test/engine.ts";
import { enterFreshHost } from "#test/isolated-network.ts";

let t: TestEngine;
before(async () => {
  await enterFreshHost();
  t = await startEngine();
});
after(() => t.end());

async function until(what: string, holds: () => boolean): Promise<void> {
  for (let check = 0; check < 800; check++) {
    if (holds()) return;
    await delay(25);
  }
  assert.fail(`${what}: not within twenty seconds`);
}

test("records carry labels, variables and the tag, and rotated files are compressed and read", async () => {
  const script = "i=0; while [ $i -lt 400 ]; do echo line $i; i=$((i+1)); done";
  const { id } = await t.run(["sh", "-c", script], {
    name: "attributed",
    log: {
      driver: "json-file",
      maxBytes: 16_384,
      maxFiles: 4,
      compress: true,
      attributes: { tier: "a b" },
      tag: "{{.Name}}",
    },
  });
  await t.engine.wait(id, "not-running");
  const { logPath } = t.engine.get(id);
  await until("a compressed file", () => existsSync(`${logPath}.1.gz`) && !existsSync(`${logPath}.1`));
  const last = readFileSync(logPath, "utf8").trimEnd().split("\n").at(-1) ?? "";
  assert.match(last, /^\{"log":"line 399\\n","stream":"stdout","attrs":\{"tag":"attributed","tier":"a b"\},"time":"/);
  const all = (await t.log(id)).trimEnd().split("\n");
  assert.equal(all.at(-1), "line 399");
  const first = Number(all[0]?.split(" ")[1]);
  assert.deepEqual(
    all.map((line) => Number(line.split(" ")[1])),
    Array.from({ length: 400 - first }, (_, index) => first + index),
    "every line from the oldest file that is kept, once and in order",
  );
  assert.ok(all.length > 200, `${all.length} lines`);
  const options = { stdout: true, stderr: true, follow: false, timestamps: false, framing: "raw" } as const;
  const chunks: Buffer[] = [];
  for await (const chunk of await t.engine.logs(id, { ...options, details: true, tail: 1 }))
    chunks.push(chunk as Buffer);
  assert.equal(Buffer.concat(chunks).toString(), "tag=attributed,tier=a+b line 399\n");
  await t.engine.remove(id);
});

/** A volume plugin as Docker's protocol has it, which keeps directories. */
function startPlugin(socketPath: string, root: string): Promise<{ server: Server; calls: string[] }> {
  const calls: string[] = [];
  const answers: Record<string, (body: { Name?: string }) => object> = {
    "/Plugin.Activate": () => ({ Implements: ["VolumeDriver"] }),
    "/VolumeDriver.Capabilities": () => ({ Capabilities: { Scope: "global" } }),
    "/VolumeDriver.Create": ({ Name = "" }) => (Name === "bad" ? { Err: "no room" } : {}),
    "/VolumeDriver.Get": ({ Name = "" }) => ({ Volume: { Name, Mountpoint: join(root, Name), Status: { used: 1 } } }),
    "/VolumeDriver.Mount": ({ Name = "" }) => {
      mkdirSync(join(root, Name), { recursive: true });
      return { Mountpoint: join(root, Name) };
    },
    "/VolumeDriver.List": () =>
      calls.includes("Remove far")
        ? { Err: "out of order" }
        : { Volumes: ["theirs", "../escape"].map((Name) => ({ Name, Mountpoint: join(root, Name) })) },
    "/VolumeDriver.Unmount": () => ({}),
    "/VolumeDriver.Remove": () => ({}),
  };
  const server = createServer((request, response) => {
    let text = "";
    request.on("data", (chunk: Buffer) => (text += chunk.toString()));
    request.on("end", () => {
      const path = request.url ?? "";
      const body = JSON.parse(text) as { Name?: string };
      calls.push(`${path.replace(/^\/(VolumeDriver\.)?/, "")} ${body.Name ?? ""}`.trim());
      response.end(JSON.stringify(answers[path]?.(body) ?? { Err: "unknown" }));
    });
  });
  return new Promise((resolve) => server.listen(socketPath, () => resolve({ server, calls })));
}

test("volumes of a plugin: made, mounted at each start, unmounted, removed; what it refuses is told", async () => {
  const name = `gantrytest${process.pid}`;
  const socketPath = `/run/docker/plugins/${name}.sock`;
  mkdirSync("/run/docker/plugins", { recursive: true });
  const root = join(t.root, "plugin");
  const { server, calls } = await startPlugin(socketPath, root);
  try {
    const { volumes } = t.engine;
    assert.ok(volumes.drivers().includes(name));
    const made = await volumes.create({ name: "far", driver: name, labels: {}, options: { size: "1" } });
    assert.deepEqual([made.driver, made.scope, made.mountpoint], [name, "global", join(root, "far")]);
    assert.deepEqual(await volumes.status("far"), { used: 1 });
    await assert.rejects(volumes.create({ name: "bad", driver: name, labels: {}, options: {} }), {
      message: "create bad: VolumeDriver.Create: no room",
    });
    await assert.rejects(volumes.create({ name: "none", driver: "nosuch", labels: {}, options: {} }), {
      code: "not-found",
      message: 'create none: error looking up volume plugin nosuch: plugin "nosuch" not found',
    });
    const mount = { kind: "volume", name: "far", target: "/data", readonly: false, copyUp: false } as const;
    const { id } = await t.run(["sh", "-c", "echo kept > /data/file"], { mounts: [mount] });
    await t.engine.wait(id, "not-running");
    assert.equal(readFileSync(join(root, "far/file"), "utf8"), "kept\n");
    assert.equal(t.engine.get(id).mounts[0]?.driver, name);
    await t.engine.remove(id);
    // What only the plugin knows of is told, used by its name alone, and removed; what is no name is not.
    assert.deepEqual(await volumes.lookUp(), []);
    assert.ok(!volumes.list().some((each) => each.name.includes("escape")));
    assert.equal(volumes.get("theirs").driver, name);
    const theirs = { ...mount, name: "theirs" };
    const user = await t.run(["sh", "-c", "echo shared > /data/file"], { mounts: [theirs] });
    await t.engine.wait(user.id, "not-running");
    assert.equal(readFileSync(join(root, "theirs/file"), "utf8"), "shared\n");
    await t.engine.remove(user.id);
    assert.equal(volumes.list().filter((each) => each.name === "theirs").length, 1);
    await volumes.remove("theirs", false);
    assert.ok(calls.includes("Remove theirs"));

    await volumes.remove("far", false);
    assert.ok((await volumes.lookUp()).some((warning) => warning.includes("VolumeDriver.List: out of order")));
    assert.deepEqual(
      calls.filter((call) => call.endsWith(" far") && !call.startsWith("Get")),
      ["Create far", "Mount far", "Unmount far", "Remove far"],
    );
  } finally {
    server.closeAllConnections();
    server.close();
    rmSync(socketPath, { force: true });
    assert.deepEqual(await t.engine.volumes.lookUp(), []);
  }
});
