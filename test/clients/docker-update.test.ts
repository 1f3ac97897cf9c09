// `docker update` of a running container, field by field: what the CLI says, what inspect tells, and what the kernel holds.
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { before, describe, test } from "node:test";
import { dockerOk } from "#test/docker-cli.ts";
import { startGantry, type TestGantry } from "#test/gantry.ts";
import { testImage } from "#test/images.ts";

let gantry: TestGantry;
let id = "";
const ok = (...args: string[]): Promise<string> => dockerOk(gantry, ...args);
const MiB = 1024 * 1024;

before(async () => {
  gantry = await startGantry({ flags: ["--no-kubernetes"] });
  await ok("load", "-i", await testImage("busybox"));
  id = await ok(
    "run",
    "-d",
    "--memory",
    "64m",
    "--memory-swap",
    "128m",
    "--pids-limit",
    "50",
    "busybox",
    "sleep",
    "600",
  );
});

const isV1 = existsSync("/sys/fs/cgroup/memory/memory.limit_in_bytes");
const skip = isV1 ? false : "the files are those of cgroup v1";

function held(controller: string, file: string): string {
  return readFileSync(`/sys/fs/cgroup/${controller}/docker/${id}/${file}`, "utf8").trim();
}

const told = (field: string): Promise<string> => ok("inspect", "--format", `{{json .HostConfig.${field}}}`, id);

interface Change {
  readonly flags: readonly string[];
  readonly holds: readonly (readonly [controller: string, file: string, value: string])[];
  readonly tells: Readonly<Record<string, string>>;
}

const LIMIT = "memory.limit_in_bytes";
const SWAP = "memory.memsw.limit_in_bytes";

const CHANGES: readonly Change[] = [
  { flags: ["--cpu-shares", "512"], holds: [["cpu", "cpu.shares", "512"]], tells: { CpuShares: "512" } },
  {
    flags: ["--cpu-period", "50000", "--cpu-quota", "20000"],
    holds: [
      ["cpu", "cpu.cfs_period_us", "50000"],
      ["cpu", "cpu.cfs_quota_us", "20000"],
    ],
    tells: { CpuPeriod: "50000", CpuQuota: "20000" },
  },
  { flags: ["--cpuset-cpus", "0"], holds: [["cpuset", "cpuset.cpus", "0"]], tells: { CpusetCpus: '"0"' } },
  { flags: ["--cpuset-mems", "0"], holds: [["cpuset", "cpuset.mems", "0"]], tells: { CpusetMems: '"0"' } },
  // Both ways past the old values: the kernel keeps memory below memory and swap all along.
  {
    flags: ["--memory", "256m", "--memory-swap", "512m"],
    holds: [
      ["memory", LIMIT, String(256 * MiB)],
      ["memory", SWAP, String(512 * MiB)],
    ],
    tells: { Memory: String(256 * MiB), MemorySwap: String(512 * MiB) },
  },
  {
    flags: ["--memory", "32m", "--memory-swap", "32m"],
    holds: [
      ["memory", LIMIT, String(32 * MiB)],
      ["memory", SWAP, String(32 * MiB)],
    ],
    tells: { Memory: String(32 * MiB), MemorySwap: String(32 * MiB) },
  },
  {
    flags: ["--memory-swap", "-1"],
    holds: [
      ["memory", LIMIT, String(32 * MiB)],
      ["memory", SWAP, "9223372036854771712"],
    ],
    tells: { MemorySwap: "-1" },
  },
  {
    flags: ["--memory-reservation", "16m"],
    holds: [["memory", "memory.soft_limit_in_bytes", String(16 * MiB)]],
    tells: { MemoryReservation: String(16 * MiB) },
  },
  { flags: ["--pids-limit", "77"], holds: [["pids", "pids.max", "77"]], tells: { PidsLimit: "77" } },
  { flags: ["--pids-limit", "-1"], holds: [["pids", "pids.max", "max"]], tells: {} },
];

describe("update of a running container", () => {
  for (const { flags, holds, tells } of CHANGES)
    test(flags.join(" "), { skip }, async () => {
      // What this machine's kernel cannot account is told of, and not here.
      if (holds.some(([controller, file]) => !existsSync(`/sys/fs/cgroup/${controller}/docker/${id}/${file}`)))
        return assert.fail(`no ${JSON.stringify(holds)}`);
      assert.equal(await ok("update", ...flags, id), id);
      for (const [controller, file, value] of holds) assert.equal(held(controller, file), value, file);
      for (const [field, value] of Object.entries(tells)) assert.equal(await told(field), value, field);
    });

  test("--cpus becomes a quota of 100 ms, and excludes the other two", { skip }, async () => {
    const other = await ok("run", "-d", "busybox", "sleep", "600");
    await ok("update", "--cpus", "0.5", other);
    const read = (file: string): string => readFileSync(`/sys/fs/cgroup/cpu/docker/${other}/${file}`, "utf8").trim();
    assert.deepEqual([read("cpu.cfs_quota_us"), read("cpu.cfs_period_us")], ["50000", "100000"]);
    const refused = await gantry.docker("update", "--cpu-quota", "1000", other);
    assert.match(refused.stderr, /CPU Quota cannot be updated as NanoCPUs has already been set/);
    await ok("update", "--cpus", "1.5", other);
    assert.equal(read("cpu.cfs_quota_us"), "150000");
    await ok("rm", "-f", other);
  });

  test("limits that one another forbid change nothing", { skip }, async () => {
    const before = held("memory", LIMIT);
    const refused = await gantry.docker("update", "--memory", "1m", id);
    assert.match(refused.stderr, /Minimum memory limit allowed is 6MB/);
    const above = await gantry.docker("update", "--memory", "64m", "--memory-swap", "48m", id);
    assert.match(above.stderr, /Minimum memoryswap limit should be larger than memory limit/);
    assert.equal(held("memory", LIMIT), before);
    assert.equal(await told("Memory"), before);
  });

  test("what was set is there after a restart, and the policy changes beside", { skip }, async () => {
    await ok("update", "--restart", "on-failure:3", "--cpu-shares", "300", id);
    assert.equal(await told("RestartPolicy"), '{"Name":"on-failure","MaximumRetryCount":3}');
    await ok("restart", "-t", "0", id);
    assert.equal(held("cpu", "cpu.shares"), "300");
    assert.equal(held("memory", LIMIT), String(32 * MiB));
    assert.equal(held("cpuset", "cpuset.cpus"), "0");
    assert.equal(held("pids", "pids.max"), "max");
  });

  test("what the kernel cannot do is told of in Docker's words, and does nothing", { skip }, async () => {
    const cannot =
      !existsSync("/sys/fs/cgroup/blkio/blkio.weight") && !existsSync("/sys/fs/cgroup/blkio/blkio.bfq.weight");
    const { stdout, stderr, code } = await gantry.docker("update", "--blkio-weight", "300", id);
    assert.equal(code, 0, stderr);
    if (cannot)
      assert.match(
        stdout + stderr,
        /Your kernel does not support Block I\/O weight or the cgroup is not mounted. Weight discarded./,
      );
    const rt = await gantry.docker("update", "--cpu-rt-runtime", "1000", id);
    if (!existsSync("/sys/fs/cgroup/cpu/cpu.rt_runtime_us"))
      assert.match(rt.stderr + rt.stdout, /Your kernel does not support CPU real-time/);
  });
});
