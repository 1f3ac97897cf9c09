// exec, logs and port-forward with the real kubectl, over WebSocket and SPDY. The "node" is this machine's processes.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer, connect, type AddressInfo } from "node:net";
import { Readable } from "node:stream";
import { describe, it, type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { NodeStreams } from "#kube-api/node-streams.ts";
import { startApiServer, startKubectl, type TestServer } from "#test/api-server.ts";

const sizes: string[] = [];

const processes: NodeStreams = {
  async logs(_pod, container, { follow, signal, previous, timestamps, sinceMs, tailLines, limitBytes }) {
    const asked = JSON.stringify({ follow, previous, timestamps, since: sinceMs !== undefined, tailLines, limitBytes });
    async function* lines() {
      yield Buffer.from(`${container} ${asked}\n`);
      while (follow && !signal?.aborted) {
        await sleep(50);
        yield Buffer.from("more\n");
      }
    }
    return Readable.from(lines());
  },
  async exec(_pod, _container, { command }) {
    const [program = "", ...args] = command;
    const child = spawn(program, args, { stdio: "pipe" });
    const exit = new Promise<number>((resolve, reject) => {
      child.on("error", reject);
      child.on("close", (code) => resolve(code ?? 137));
    });
    return {
      stdin: child.stdin,
      stdout: child.stdout,
      stderr: child.stderr,
      resize: (rows, columns) => void sizes.push(`${rows}x${columns}`),
      exit,
    };
  },
  attach(pod, container, request) {
    return this.exec(pod, container, { ...request, command: ["cat"] });
  },
  async portForward(_pod, port) {
    const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    await once(socket, "connect");
    return socket;
  },
};

async function withPod(t: TestContext): Promise<TestServer> {
  const test = await startApiServer(t, { nodeStreams: processes });
  await test.kubectl(["run", "p", "--image=busybox", "--overrides", '{"spec":{"nodeName":"n1"}}']);
  await test.kubectl([
    "patch",
    "pod",
    "p",
    "--subresource=status",
    "--type=merge",
    "-p",
    '{"status":{"phase":"Running"}}',
  ]);
  return test;
}

const BIG = Array.from({ length: 200_000 }, (_, index) => `line ${index}\n`).join("");
const BIG_MD5 = createHash("md5").update(BIG).digest("hex");

for (const [name, websockets] of [
  ["WebSocket", "true"],
  ["SPDY", "false"],
] as const) {
  describe(`streams over ${name}`, () => {
    const env = { KUBECTL_REMOTE_COMMAND_WEBSOCKETS: websockets, KUBECTL_PORT_FORWARD_WEBSOCKETS: websockets };

    it("runs commands, with input, output, errors and exit codes", async (t) => {
      const { kubectl } = await withPod(t);
      assert.equal(await kubectl(["exec", "p", "--", "echo", "hello world"], { env }), "hello world\n");
      assert.match(
        await kubectl(["exec", "p", "--", "sh", "-c", "echo wrong >&2; exit 7"], { env, fails: true }),
        /wrong\n.*exit code 7/s,
      );
      assert.match(await kubectl(["exec", "-i", "p", "--", "md5sum"], { env, stdin: BIG }), new RegExp(BIG_MD5));
      const out = await kubectl(
        [
          "exec",
          "p",
          "--",
          "sh",
          "-c",
          "i=0; while [ $i -lt 20000 ]; do echo 0123456789012345678901234567890123456789; i=$((i+1)); done",
        ],
        { env },
      );
      assert.equal(out.length, 20_000 * 41);
      assert.equal(await kubectl(["attach", "-i", "-q", "p"], { env, stdin: "to and fro" }), "to and fro");
      assert.match(
        await kubectl(["exec", "p", "-c", "nope", "--", "id"], { env, fails: true }),
        /container nope is not valid for pod p/,
      );
    });

    it("forwards ports, many connections at once, and says when one fails", async (t) => {
      const test = await withPod(t);
      const echo = createServer((socket) => void socket.pipe(socket));
      echo.listen(0, "127.0.0.1");
      await once(echo, "listening");
      t.after(() => echo.close());
      const { port } = echo.address() as AddressInfo;
      const forward = startKubectl(t, test, ["port-forward", "pod/p", `:${port}`], env);
      const [line] = (await once(forward.stdout, "data")) as [Buffer];
      const local = Number(/127\.0\.0\.1:(\d+)/.exec(line.toString())?.[1]);
      const texts = await Promise.all(
        Array.from({ length: 10 }, (_, index) => roundTrip(local, `${index}:${BIG.slice(0, 100_000)}`)),
      );
      texts.forEach((text, index) => assert.equal(text, `${index}:${BIG.slice(0, 100_000)}`));
    });
  });
}

async function roundTrip(port: number, text: string): Promise<string> {
  const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  const chunks: Buffer[] = [];
  socket.on("data", (chunk: Buffer) => chunks.push(chunk));
  socket.end(text);
  await once(socket, "end");
  return Buffer.concat(chunks).toString();
}

describe("logs", () => {
  it("passes on what is asked, and follows until the reader leaves", async (t) => {
    const test = await withPod(t);
    assert.equal(
      await test.kubectl(["logs", "p", "--tail=5", "--timestamps", "--since=1m"]),
      'p {"follow":false,"previous":false,"timestamps":true,"since":true,"tailLines":5}\n',
    );
    assert.equal(await test.kubectl(["logs", "p", "--limit-bytes=3"]), "p {");
    const follow = startKubectl(t, test, ["logs", "-f", "p"]);
    const lines: string[] = [];
    for await (const chunk of follow.stdout as AsyncIterable<Buffer>) {
      lines.push(chunk.toString());
      if (lines.join("").includes("more\nmore\n")) break;
    }
    assert.match(await test.kubectl(["logs", "p", "-c", "x"], { fails: true }), /container x is not valid for pod p/);
    const bad = await test.request("GET", "/api/v1/namespaces/default/pods/p/log?tailLines=-1");
    assert.match(bad.json().message ?? "", /tailLines: Invalid value: -1: must be greater than or equal to 0/);
  });

  it("needs an upgrade for exec, and a node that serves it", async (t) => {
    const test = await startApiServer(t);
    await test.kubectl(["run", "p", "--image=busybox", "--overrides", '{"spec":{"nodeName":"n1"}}']);
    const plain = await test.request("POST", "/api/v1/namespaces/default/pods/p/exec?command=id&stdout=1");
    assert.deepEqual([plain.status, plain.json().message], [400, "Upgrade request required"]);
    assert.match(await test.kubectl(["exec", "p", "--", "id"], { fails: true }), /no node serves streams here/);
    assert.match(await test.kubectl(["logs", "p"], { fails: true }), /no node serves logs here/);
  });
});
