import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { planExec } from "../../src/containers/launch.ts";
import type { OciProcess } from "#formats/oci-spec.ts";
import { readAll, skipRuntime, until, withContainer, type TestContainer } from "../support/runtime.ts";

const skip = skipRuntime ?? false;
const BOTH = { stdin: false, stdout: true, stderr: true };
const ALL = { stdin: true, stdout: true, stderr: true };

interface Demultiplexed {
  readonly out: string;
  readonly err: string;
}

/** Docker's framing taken apart: what came on each stream. */
function demultiplex(bytes: Buffer): Demultiplexed {
  const streams: [Buffer[], Buffer[]] = [[], []];
  for (let at = 0; at < bytes.length;) {
    const [stream, length] = [bytes.readUInt8(at), bytes.readUInt32BE(at + 4)];
    assert.ok(stream === 1 || stream === 2, `stream ${stream}`);
    assert.equal(bytes.readUIntBE(at + 1, 3), 0);
    streams[stream === 1 ? 0 : 1].push(bytes.subarray(at + 8, at + 8 + length));
    at += 8 + length;
  }
  const [out, err] = streams.map((chunks) => Buffer.concat(chunks).toString("utf8"));
  return { out: out ?? "", err: err ?? "" };
}

const execProcess = ({ spec }: TestContainer, change: Partial<OciProcess>): OciProcess => {
  assert.ok(spec.process);
  return { ...spec.process, ...change };
};

test(
  "the log is Docker's json-file: escapes, streams, long lines in parts, an unfinished last line",
  { skip },
  async () => {
    const script = [
      `printf 'a"b\\\\<&>\\t\\r\\001\\377 é \\342\\200\\250\\n'`,
      "echo err >&2; sleep 0.05",
      "head -c 40000 /dev/zero | tr '\\0' x; echo; printf end",
    ];
    await withContainer({ args: ["sh", "-c", script.join("; ")] }, async ({ start, exit, directory }) => {
      await start();
      await exit();
      const records = readFileSync(join(directory, "log"), "utf8").trim().split("\n");
      assert.match(
        records[0] ?? "",
        /^\{"log":"a\\"b\\\\\\u003c\\u0026\\u003e\\u0009\\r\\u0001\\ufffd é \\u2028\\n","stream":"stdout","time":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d*[1-9])?Z"\}$/,
      );
      const parsed = records.map((line) => JSON.parse(line) as { log: string; stream: string; time: string });
      assert.deepEqual(parsed[1], { log: "err\n", stream: "stderr", time: parsed[1]?.time });
      assert.deepEqual(
        parsed.slice(2).map(({ log }) => [log.length, log.endsWith("\n")]),
        [
          [16384, false],
          [16384, false],
          [7233, true],
          [3, false],
        ],
      );
      assert.equal(new Set(parsed.slice(2, 5).map(({ time }) => time)).size, 1, "parts of one line have one time");
    });
  },
);

test("the log rotates at its size, and keeps as many files as asked", { skip }, async () => {
  const args = ["sh", "-c", "i=0; while [ $i -lt 200 ]; do echo line $i; i=$((i+1)); done"];
  await withContainer({ args }, async ({ start, exit, directory }) => {
    const path = join(directory, "log");
    await start({ log: { path, maxBytes: 4096, maxFiles: 3 } });
    await exit();
    const files = [`${path}.2`, `${path}.1`, path];
    assert.ok(files.every((file) => existsSync(file)) && !existsSync(`${path}.3`));
    const numbers = files.flatMap((file) =>
      Array.from(readFileSync(file, "utf8").matchAll(/line (\d+)/g), ([, n]) => Number(n)),
    );
    assert.deepEqual(
      numbers,
      Array.from({ length: numbers.length }, (_, index) => 200 - numbers.length + index),
    );
    assert.ok(files.every((file) => readFileSync(file).length < 4300));
  });
});

test("attached: both streams framed, input passed on, its end passed on once", { skip }, async () => {
  await withContainer(
    { args: ["sh", "-c", "cat; echo done >&2"], host: { pause: "notify" } },
    async ({ start, shim, exit }) => {
      await start({ stdin: "once" });
      const stream = await shim.attach("init", ALL);
      const other = await shim.attach("init", { stdin: false, stdout: true, stderr: false });
      await shim.resume("init");
      const outputs = Promise.all([readAll(stream), readAll(other)]);
      const big = "0123456789".repeat(30_000);
      stream.end(big);
      const [{ out, err }, only] = (await outputs).map(demultiplex) as [Demultiplexed, Demultiplexed];
      assert.equal(out, big);
      assert.equal(err, "done\n");
      assert.deepEqual(only, { out: big, err: "" });
      assert.equal((await exit()).code, 0);
    },
  );
});

test("input that stays open outlives an attacher", { skip }, async () => {
  await withContainer(
    { args: ["sh", "-c", "read a; echo $a; read b; echo $b"] },
    async ({ start, shim, exit, log }) => {
      await start({ stdin: "open" });
      const first = await shim.attach("init", ALL);
      first.end("one\n");
      await until(() => log() === "one\n");
      const second = await shim.attach("init", { stdin: true, stdout: false, stderr: false });
      second.write("two\n");
      assert.equal((await exit()).code, 0);
      assert.equal(log(), "one\ntwo\n");
      first.destroy();
      second.destroy();
    },
  );
});

test("a terminal: its own pty, size, console, raw output", { skip }, async () => {
  const script = "tty; stty size; test -t 0 && echo is; ls -l /dev/console | cut -c1; read x; echo got $x; stty size";
  await withContainer(
    { args: ["sh", "-c", script], process: { terminal: true }, host: { pause: "notify" } },
    async (container) => {
      const { start, shim, exit } = container;
      await start({ terminal: { rows: 40, columns: 120 }, stdin: "open" });
      const stream = await shim.attach("init", ALL);
      await shim.resume("init");
      let text = "";
      stream.on("data", (chunk: Buffer) => (text += chunk.toString("utf8")));
      await until(() => text.includes("c\r\n"));
      assert.equal(text, "/dev/pts/0\r\n40 120\r\nis\r\nc\r\n");
      await shim.resize("init", 10, 20);
      stream.write("hey\n");
      assert.equal((await exit()).code, 0);
      await until(() => text.includes("10 20"));
      assert.match(text, /hey\r\ngot hey\r\n10 20\r\n$/);
      stream.destroy();
    },
  );
});

test(
  "exec: in the container's namespaces and cgroup, with its own user, streams, terminal and exit",
  { skip },
  async () => {
    await withContainer({ args: ["sleep", "100"] }, async (container) => {
      const { shim, start, spec, host, exit, cgroup } = container;
      await start();
      const script =
        "hostname; id -u; grep -vc ':/$' /proc/self/cgroup; ls /proc | grep -c '^[0-9]'; pwd; echo $X; grep Cap /proc/self/status | uniq -w 4 -c; exit 9";
      const change = { args: ["sh", "-c", script], cwd: "/tmp", env: ["PATH=/bin", "X=y"], user: { uid: 12, gid: 13 } };
      const plan = planExec(execProcess(container, change), spec, host);
      await shim.spawn("one", plan, { stdin: "none", waitForAttach: true });
      const { out } = demultiplex(await readAll(await shim.attach("one", BOTH)));
      assert.match(out, /^box\n12\n0\n\d\n\/tmp\ny\n/);
      assert.match(out, /CapInh:\t0{16}\n/);
      assert.equal((await exit("one")).code, 9);
      await shim.acknowledge("one");

      const terminal = planExec(
        execProcess(container, { terminal: true, args: ["sh", "-c", "tty; stty size"] }),
        spec,
        host,
      );
      const { pid } = await shim.spawn("two", terminal, {
        stdin: "open",
        terminal: { rows: 3, columns: 4 },
        waitForAttach: true,
      });
      assert.ok(pid > 0);
      assert.equal((await readAll(await shim.attach("two", ALL))).toString("utf8"), "/dev/pts/0\r\n3 4\r\n");
      assert.equal((await exit("two")).code, 0);

      const wrong = planExec(execProcess(container, { cwd: "/nowhere" }), spec, host);
      await assert.rejects(
        shim.spawn("three", wrong, { stdin: "none" }),
        (error: { details: Record<string, unknown> }) => {
          assert.deepEqual([error.details["step"], error.details["code"]], ["chdir", "ENOENT"]);
          return true;
        },
      );
      assert.deepEqual((await shim.processes()).map(({ id }) => id).toSorted(), ["init", "two"]);
      assert.ok(cgroup.pids().length >= 1);
    });
  },
);

test("a slow attacher holds the process back, loses nothing, and costs no memory", { skip }, async () => {
  const megabytes = 8;
  await withContainer(
    { args: ["sh", "-c", `head -c ${megabytes << 20} /dev/zero; echo; echo end`], host: { pause: "notify" } },
    async (container) => {
      const { start, shim, exit } = container;
      await start({ log: { path: "/dev/null", maxBytes: 0, maxFiles: 1 } });
      const stream = await shim.attach("init", BOTH);
      await shim.resume("init");
      await delay(300);
      const resident = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${shim.pid}/status`, "utf8"))?.[1]);
      assert.ok(resident < 4096, `${resident} KiB`);
      assert.deepEqual(
        (await shim.processes()).map(({ state }) => state),
        ["running"],
      );
      const { out } = demultiplex(await readAll(stream));
      assert.equal(out.length, (megabytes << 20) + 5);
      assert.equal((await exit()).code, 0);
    },
  );
});

test("an exit does not wait for a background process that holds the output", { skip }, async () => {
  await withContainer({ args: ["sleep", "100"] }, async (container) => {
    const { shim, start, spec, host, exit } = container;
    await start();
    const plan = planExec(execProcess(container, { args: ["sh", "-c", "sleep 50 & echo away"] }), spec, host);
    await shim.spawn("one", plan, { stdin: "none", waitForAttach: true });
    const began = performance.now();
    const { out } = demultiplex(await readAll(await shim.attach("one", BOTH)));
    assert.equal(out, "away\n");
    assert.equal((await exit("one")).code, 0);
    const took = performance.now() - began;
    assert.ok(took > 1500 && took < 6000, `${took} ms`);
  });
});
