// `docker run` with the real CLI: its flags, exit codes, and what it refuses.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { before, describe, test } from "node:test";
import { dockerOk, until } from "#test/docker-cli.ts";
import { startGantry, type Result, type TestGantry } from "#test/gantry.ts";
import { testImage } from "#test/images.ts";

let gantry: TestGantry;
const docker = (...args: string[]): Promise<Result> => gantry.docker(...args);

const ok = (...args: string[]): Promise<string> => dockerOk(gantry, ...args);

before(async () => {
  gantry = await startGantry({ flags: ["--no-kubernetes", "--bip", "172.17.0.1/16"] });
  await ok("load", "-i", await testImage("busybox"));
});

describe("run", () => {
  test("prints, passes stdin, gives the exit code back", async () => {
    assert.equal(await ok("run", "--rm", "busybox", "echo", "hello"), "hello");
    const piped = await gantry.run("docker", ["run", "--rm", "-i", "busybox", "cat"], { input: "through\n" });
    assert.equal(piped.stdout, "through\n");
    assert.equal((await docker("run", "--rm", "busybox", "sh", "-c", "echo out; echo err >&2; exit 3")).code, 3);
  });

  test("a large input and output come through whole", async () => {
    const input = Buffer.alloc(3_000_000, "0123456789abcdef\n");
    const { stdout } = await gantry.run("docker", ["run", "--rm", "-i", "busybox", "md5sum"], { input });
    const { stdout: own } = await gantry.run("md5sum", [], { input });
    assert.equal(stdout, own);
    assert.equal((await docker("run", "--rm", "busybox", "seq", "200000")).stdout.length, 1_288_895);
  });

  test("-it gives a terminal of the right size, and the detach keys leave it running", async () => {
    const shown = await gantry.run("script", [
      "-qec",
      "stty rows 30 cols 100; docker run -it --rm busybox sh -c 'tty; stty size'",
      "/dev/null",
    ]);
    assert.match(shown.stdout, /\/dev\/(pts\/0|console)\r\n30 100\r\n/);
    const terminal = spawn("script", ["-qec", "docker run -it --name detached busybox sleep 60", "/dev/null"], {
      env: gantry.env,
    });
    const exited = once(terminal, "exit");
    terminal.stdout.resume();
    await until(
      async () => (await docker("inspect", "--format", "{{.State.Running}}", "detached")).stdout.trim() === "true",
    );
    // The client has to be in raw mode before the keys come: it is when it has sized the terminal.
    await new Promise((resolve) => setTimeout(resolve, 500));
    terminal.stdin.write("\x10\x11");
    assert.deepEqual(await exited, [0, null]);
    assert.equal(await ok("inspect", "--format", "{{.State.Running}}", "detached"), "true");
    await ok("rm", "-f", "detached");
  });

  test("attach shows what comes, and ends with the container's exit code", async () => {
    await ok("run", "-d", "--name", "att", "-i", "busybox", "sh", "-c", "read line; echo got $line; exit 4");
    const { stdout, code } = await gantry.run("docker", ["attach", "att"], { input: "word\n" });
    assert.equal(stdout, "got word\n");
    assert.equal(code, 4);
    await ok("rm", "att");
    await ok("create", "--name", "started", "busybox", "echo", "now");
    assert.equal(await ok("start", "-a", "started"), "now");
    await ok("rm", "started");
  });

  test("environment, directory, user, entry point, host name", async () => {
    assert.equal(
      await ok("run", "--rm", "-e", "A=b c", "-w", "/etc", "busybox", "sh", "-c", "echo $A $PWD"),
      "b c /etc",
    );
    assert.equal(await ok("run", "--rm", "-u", "1000:50", "busybox", "id", "-u"), "1000");
    assert.equal(await ok("run", "--rm", "--entrypoint", "echo", "busybox", "x"), "x");
    assert.equal(await ok("run", "--rm", "-h", "box", "busybox", "hostname"), "box");
  });

  test("-v and --mount: host directories, named and anonymous volumes, tmpfs, read-only", async () => {
    const host = `${gantry.root}/shared`;
    await mkdir(host);
    await writeFile(`${host}/in`, "from the host");
    assert.equal(
      await ok("run", "--rm", "-v", `${host}:/data`, "busybox", "sh", "-c", "cat /data/in; echo back > /data/out"),
      "from the host",
    );
    assert.equal(await readFile(`${host}/out`, "utf8"), "back\n");
    assert.notEqual((await docker("run", "--rm", "-v", `${host}:/data:ro`, "busybox", "touch", "/data/x")).code, 0);
    await ok("run", "--rm", "-v", "kept:/data", "busybox", "sh", "-c", "echo 1 > /data/x");
    assert.equal(
      await ok("run", "--rm", "--mount", "type=volume,source=kept,target=/d,readonly", "busybox", "cat", "/d/x"),
      "1",
    );
    assert.match(await ok("volume", "ls", "-q"), /^kept$/m);
    assert.match(
      await ok("run", "--rm", "--tmpfs", "/t:size=1m", "busybox", "mount"),
      / on \/t type tmpfs .*size=1024k/,
    );
    assert.notEqual((await docker("run", "--rm", "--read-only", "busybox", "touch", "/x")).code, 0);
    await ok("volume", "rm", "kept");
  });

  test("networks: bridge with an address, none, host, another container's, and a published port", async () => {
    assert.match(await ok("run", "--rm", "busybox", "ip", "addr", "show", "eth0"), /inet 172\.17\.0\.\d+\/16/);
    assert.doesNotMatch(await ok("run", "--rm", "--network", "none", "busybox", "ip", "addr"), /eth0/);
    assert.equal(
      await ok("run", "--rm", "--network", "host", "busybox", "readlink", "/proc/1/ns/net"),
      (await gantry.run("readlink", ["/proc/self/ns/net"])).stdout.trim(),
    );
    await ok(
      "run",
      "-d",
      "--name",
      "web",
      "-p",
      "127.0.0.1:8099:80",
      "busybox",
      "sh",
      "-c",
      "mkdir /w; echo served > /w/index.html; httpd -f -p 80 -h /w",
    );
    assert.equal(
      (
        await gantry.run("curl", [
          "-s",
          "--retry",
          "10",
          "--retry-connrefused",
          "--retry-delay",
          "1",
          "http://127.0.0.1:8099/",
        ])
      ).stdout,
      "served\n",
    );
    assert.equal(await ok("port", "web"), "80/tcp -> 127.0.0.1:8099");
    assert.match(await ok("ps", "--format", "{{.Ports}}"), /127\.0\.0\.1:8099->80\/tcp/);
    assert.match(
      await ok("run", "--rm", "--network", "container:web", "busybox", "wget", "-qO-", "http://127.0.0.1/"),
      /served/,
    );
    await ok("rm", "-f", "web");
  });

  test("a restart policy brings it back", async () => {
    await ok("run", "-d", "--name", "again", "--restart", "on-failure:2", "busybox", "sh", "-c", "exit 1");
    await ok("wait", "again");
    await until(
      async () => (await ok("inspect", "--format", "{{.RestartCount}} {{.State.Status}}", "again")) === "2 exited",
    );
    assert.equal(await ok("inspect", "--format", "{{.RestartCount}} {{.State.Status}}", "again"), "2 exited");
    await ok("rm", "again");
  });
});

describe("limits", () => {
  const limitsOf = async (...flags: string[]): Promise<string> => {
    const id = await ok("create", ...flags, "busybox", "true");
    const shown = await ok(
      "inspect",
      "--format",
      "{{.HostConfig.Memory}} {{.HostConfig.MemorySwap}} {{.HostConfig.MemorySwappiness}}",
      id,
    );
    await ok("rm", id);
    return shown;
  };

  test("the five memory-swap rules", async () => {
    const m = 1024 * 1024;
    assert.equal(await limitsOf("--memory", "100m"), `${100 * m} ${200 * m} <nil>`);
    assert.equal(await limitsOf("--memory", "100m", "--memory-swap", "0"), `${100 * m} ${200 * m} <nil>`);
    assert.equal(await limitsOf("--memory", "100m", "--memory-swap", "100m"), `${100 * m} ${100 * m} <nil>`);
    assert.equal(await limitsOf("--memory", "100m", "--memory-swap", "1g"), `${100 * m} ${1024 * m} <nil>`);
    assert.equal(
      await limitsOf("--memory", "100m", "--memory-swap", "-1", "--memory-swappiness", "10"),
      `${100 * m} -1 10`,
    );
  });

  test("they are in the container's cgroup", async () => {
    const script = "cat /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null || cat /sys/fs/cgroup/memory.max";
    assert.equal(await ok("run", "--rm", "--memory", "64m", "busybox", "sh", "-c", script), String(64 * 1024 * 1024));
    const cpu = "cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us 2>/dev/null || cut -d' ' -f1 /sys/fs/cgroup/cpu.max";
    assert.equal(await ok("run", "--rm", "--cpus", "0.5", "busybox", "sh", "-c", cpu), "50000");
    const pids = "cat /sys/fs/cgroup/pids/pids.max 2>/dev/null || cat /sys/fs/cgroup/pids.max";
    assert.equal(await ok("run", "--rm", "--pids-limit", "42", "busybox", "sh", "-c", pids), "42");
    const shares = "cat /sys/fs/cgroup/cpu/cpu.shares 2>/dev/null || echo 512";
    assert.equal(await ok("run", "--rm", "--cpu-shares", "512", "busybox", "sh", "-c", shares), "512");
  });

  test("a process over the limit is killed, and that is told", async () => {
    const { code } = await docker(
      "run",
      "--name",
      "greedy",
      "--memory",
      "16m",
      "--memory-swap",
      "16m",
      "busybox",
      "sh",
      "-c",
      "tail /dev/zero",
    );
    assert.equal(code, 137);
    assert.equal(await ok("inspect", "--format", "{{.State.OOMKilled}}", "greedy"), "true");
    await ok("rm", "greedy");
  });

  test("update changes them live", async () => {
    await ok("run", "-d", "--name", "growing", "--memory", "64m", "busybox", "sleep", "100");
    await ok("update", "--memory", "32m", "--memory-swap", "64m", "--restart", "no", "growing");
    const read = "cat /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null || cat /sys/fs/cgroup/memory.max";
    assert.equal(await ok("exec", "growing", "sh", "-c", read), String(32 * 1024 * 1024));
    assert.equal(await ok("inspect", "--format", "{{.HostConfig.Memory}}", "growing"), String(32 * 1024 * 1024));
    await ok("rm", "-f", "growing");
  });
});

describe("exit codes", () => {
  test("125: the daemon refused; 126: not executable; 127: no such command", async () => {
    const unknown = await docker("run", "--pull", "never", "nothing-like-it");
    assert.equal(unknown.code, 125);
    assert.match(unknown.stderr, /No such image: nothing-like-it:latest/);
    const missing = await docker("run", "--rm", "busybox", "no-such-command");
    assert.equal(missing.code, 127);
    assert.match(missing.stderr, /exec: "no-such-command": executable file not found in \$PATH/);
    const directory = await docker("run", "--rm", "busybox", "/etc");
    assert.equal(directory.code, 126);
    await ok("run", "-d", "--name", "host", "busybox", "sleep", "100");
    assert.equal((await docker("exec", "host", "no-such-command")).code, 127);
    await ok("rm", "-f", "host");
  });
});

describe("bad input", () => {
  const refused = async (message: RegExp, ...flags: string[]): Promise<void> => {
    const { code, stderr } = await docker("create", ...flags);
    assert.notEqual(code, 0);
    assert.match(stderr, message);
  };

  test("is refused in Docker's words, and leaves nothing behind", async () => {
    await refused(/Minimum memory limit allowed is 6MB/, "--memory", "3m", "busybox");
    await refused(
      /Minimum memoryswap limit should be larger than memory limit/,
      "--memory",
      "64m",
      "--memory-swap",
      "32m",
      "busybox",
    );
    await refused(/invalid volume specification: '\/a:\/b:ro:x'|invalid spec/, "-v", "/a:/b:ro:x", "busybox");
    await refused(/invalid mode: nope/, "-v", "/a:/b:nope", "busybox");
    await refused(/includes invalid characters for a local volume name/, "-v", "a b:/x", "busybox");
    await refused(
      /bind source path does not exist: \/no\/such/,
      "--mount",
      "type=bind,source=/no/such,target=/x",
      "busybox",
    );
    await refused(/range of CPUs is from 0\.01 to/, "--cpus", "1000", "busybox");
    await refused(/unknown capability: "CAP_NOPE"/, "--cap-add", "NOPE", "busybox");
    await refused(/could not select device driver/, "--gpus", "all", "busybox");
    await refused(/error looking up logging plugin nope/, "--log-driver", "nope", "busybox");
    await refused(/unknown or invalid runtime name: nope/, "--runtime", "nope", "busybox");
    await refused(/Invalid container name \(-x\)|invalid/i, "--name=-x", "busybox");
    assert.equal(await ok("ps", "-aq"), "");
    assert.equal(await ok("volume", "ls", "-q"), "");
  });

  test("a name in use", async () => {
    const id = await ok("create", "--name", "taken", "busybox");
    await refused(
      new RegExp(
        `Conflict\\. The container name "/taken" is already in use by container "${id}"\\. You have to remove \\(or rename\\) that container to be able to reuse that name\\.`,
      ),
      "--name",
      "taken",
      "busybox",
    );
    await ok("rm", "taken");
  });

  test("bodies that are no JSON, of another type, or too large", async () => {
    const post = (type: string, body: string): Promise<Result> =>
      gantry.run(
        "curl",
        [
          "-s",
          "-w",
          " %{http_code}",
          "--unix-socket",
          `${gantry.root}/run/docker.sock`,
          "-H",
          `Content-Type: ${type}`,
          "--data-binary",
          "@-",
          "http://d/containers/create",
        ],
        { input: body },
      );
    assert.match((await post("application/json", "{")).stdout, /invalid JSON.* 400$/s);
    assert.match((await post("application/json", "")).stdout, /got EOF while reading request body.* 400$/s);
    assert.match(
      (await post("text/plain", "{}")).stdout,
      /unsupported Content-Type header \(text\/plain\): must be 'application\/json'.* 400$/s,
    );
    assert.match(
      (await post("application/json", `{"Image":5}`)).stdout,
      /cannot unmarshal number 5 into Go struct field Image of type string.* 400$/s,
    );
    assert.match((await post("application/json", `{"Image":"${"x".repeat(5_000_000)}"}`)).stdout, / 413$/);
  });
});
