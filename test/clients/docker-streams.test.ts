// Streams that the CLI and others open: detach keys over a terminal, and attaching by WebSocket.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { before, describe, test } from "node:test";
import Docker from "dockerode";
import WebSocket from "ws";
import { dockerOk, until } from "#test/docker-cli.ts";
import { startGantry, type TestGantry } from "#test/gantry.ts";
import { testImage } from "#test/images.ts";

let gantry: TestGantry;
let socketPath = "";
const ok = (...args: string[]): Promise<string> => dockerOk(gantry, ...args);

before(async () => {
  gantry = await startGantry({ flags: ["--no-kubernetes"] });
  socketPath = gantry.status.dockerSocket ?? "";
  await ok("load", "-i", await testImage("busybox"));
});

/** The CLI on a pty: what it showed and how it ended, when the keys of each step were typed as soon as its text was shown. */
async function typed(
  command: string,
  ...steps: readonly (readonly [text: string, keys: string])[]
): Promise<{ code: number; shown: string }> {
  const terminal = spawn("script", ["-qec", command, "/dev/null"], { env: gantry.env });
  const left = [...steps];
  let shown = "";
  terminal.stdout.on("data", (chunk: Buffer) => {
    shown += chunk.toString();
    const [text, keys] = left[0] ?? [];
    if (text === undefined || keys === undefined || !shown.includes(text)) return;
    left.shift();
    terminal.stdin.write(keys);
  });
  const [code] = (await once(terminal, "exit")) as [number];
  return { code, shown };
}

const isRunning = (name: string): Promise<string> => ok("inspect", "--format", "{{.State.Running}}", name);

describe("detach keys", () => {
  const talking = "echo ready; while read -r line; do echo got $line; done";

  test("run and exec end at their own keys; the keys by default are the program's then; all goes on", async () => {
    const run = `docker run -it --detach-keys ctrl-a,x --name keys busybox sh -c '${talking}'`;
    assert.equal((await typed(run, ["ready", "\x01x"])).code, 0);
    assert.equal(await isRunning("keys"), "true");

    const exec = `docker exec -it --detach-keys ctrl-e keys sh -c '${talking}'`;
    const { code, shown } = await typed(exec, ["ready", "one\n"], ["got one", "\x05"]);
    assert.match(shown, /got one/);
    // The CLI looks for the keys as well, and ends so (docker 28).
    assert.match(shown, /read escape sequence/);
    assert.equal(code, 1);
    assert.match(await ok("top", "keys", "-o", "pid,args"), /ready.*\n.*ready/s);
    await ok("rm", "-f", "keys");
  });

  test("attach ends at the keys that it was given; keys that there are not are told", async () => {
    await ok("run", "-dit", "--name", "attached", "busybox", "sh", "-c", "while sleep 0.1; do echo ready; done");
    const keys = await typed("docker attach --detach-keys ctrl-e attached", ["ready", "\x05"]);
    assert.match(keys.shown, /read escape sequence/);
    const wrong = await typed("docker attach --detach-keys ctrl-? attached");
    assert.equal(wrong.code, 1);
    assert.match(wrong.shown, /received 400/);
    assert.equal(await isRunning("attached"), "true");
    await ok("rm", "-f", "attached");
  });
});

interface Attached {
  readonly socket: WebSocket;
  /** Everything that came. */
  readonly closed: Promise<string>;
}

function open(path: string): Attached {
  const socket = new WebSocket(`ws+unix://${socketPath}:${path}`);
  const chunks: Buffer[] = [];
  socket.on("message", (data: Buffer, isBinary) => {
    assert.ok(isBinary);
    chunks.push(data);
  });
  return {
    socket,
    closed: once(socket, "close").then(() => Buffer.concat(chunks).toString()),
  };
}

/** What the CLI keeps to itself: the keys come to the daemon. */
async function detachExec(container: string): Promise<void> {
  const docker = new Docker({ socketPath });
  const exec = await docker.getContainer(container).exec({
    Cmd: ["sh"],
    Tty: true,
    AttachStdin: true,
    AttachStdout: true,
    DetachKeys: "ctrl-e",
  });
  const stream = await exec.start({ hijack: true, stdin: true, Tty: true });
  stream.resume();
  const ended = once(stream, "end");
  stream.write("\x05");
  await ended;
  assert.equal((await exec.inspect()).Running, true);
}

describe("attach by WebSocket", () => {
  test("the bytes of both streams come without frames, input goes, and the end closes it", async () => {
    const script = "echo before; read -r line; echo got $line; sleep 0.1; echo error >&2";
    const id = await ok("run", "-di", "busybox", "sh", "-c", script);
    await until(async () => (await ok("logs", id)) === "before");
    const { socket, closed } = open(`/v1.51/containers/${id}/attach/ws?stream=1&stdin=1&stdout=1&stderr=1&logs=1`);
    await once(socket, "open");
    socket.send("hello\n");
    assert.equal(await closed, "before\ngot hello\nerror\n");
    await ok("rm", id);
  });

  test("the streams that were asked for, from 1.42 on; every one before", async () => {
    for (const [version, expected] of [
      ["1.51", "out\n"],
      ["1.41", "out\nerror\n"],
    ] as const) {
      const id = await ok("create", "-i", "busybox", "sh", "-c", "read -r line; echo out; sleep 0.1; echo error >&2");
      const { socket, closed } = open(`/v${version}/containers/${id}/attach/ws?stream=1&stdin=1&stdout=1`);
      await once(socket, "open");
      await ok("start", id);
      socket.send("go\n");
      assert.equal(await closed, expected);
      await ok("rm", id);
    }
  });

  test("with a terminal its keys let go of it, and an exec's of that; both are told as events", async () => {
    const id = await ok("run", "-dit", "busybox", "sh");
    const { socket, closed } = open(`/v1.51/containers/${id}/attach/ws?stream=1&stdin=1&stdout=1&detachKeys=ctrl-e`);
    await once(socket, "open");
    const since = String(Date.now() / 1000);
    socket.send("\x05");
    await closed;
    assert.equal(await isRunning(id), "true");
    await detachExec(id);
    const end = String(Date.now() / 1000);
    const seen = await ok("events", "--since", since, "--until", end, "--format", "{{.Action}}");
    assert.match(seen, /^detach$/m);
    assert.match(seen, /^exec_detach$/m);
    await ok("rm", "-f", id);
  });

  test("without the handshake it is refused", async () => {
    const id = await ok("create", "busybox", "true");
    const refused = await gantry.run("curl", [
      "-s",
      "--unix-socket",
      socketPath,
      `http://docker/v1.51/containers/${id}/attach/ws`,
    ]);
    assert.match(refused.stdout, /WebSocket upgrade expected|not websocket/);
    await ok("rm", id);
  });
});
