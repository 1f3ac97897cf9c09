import assert from "node:assert/strict";
import { test } from "node:test";
import { checkResources, ociResources, parseIdList, type LimitSupport } from "./docker-resources.ts";

const everything: LimitSupport = {
  memory: true,
  swap: true,
  memoryReservation: true,
  swappiness: true,
  oomKillDisable: true,
  pids: true,
  cpuShares: true,
  cpuCfs: true,
  cpuRealtime: false,
  cpuset: true,
  blkioWeight: true,
  blkioThrottle: true,
  cpus: 2,
  cpuList: "0-1",
  memoryNodes: "0",
};
const MIB = 1024 * 1024;
const check = (asked: object, support = everything, update = false): ReturnType<typeof checkResources> =>
  checkResources(asked, support, update);

test("the five memory-swap rules", () => {
  assert.equal(check({ Memory: 100 * MIB, MemorySwap: 300 * MIB }).resources.MemorySwap, 300 * MIB);
  assert.equal(check({ Memory: 100 * MIB, MemorySwap: 0 }).resources.MemorySwap, 200 * MIB);
  assert.equal(check({ Memory: 100 * MIB, MemorySwap: 100 * MIB }).resources.MemorySwap, 100 * MIB);
  assert.equal(check({ Memory: 100 * MIB }).resources.MemorySwap, 200 * MIB);
  assert.equal(check({ Memory: 100 * MIB, MemorySwap: -1 }).resources.MemorySwap, -1);
});

test("memory limits that Docker refuses, in Docker's words", () => {
  const refused = (asked: object, message: string): void =>
    assert.throws(() => check(asked), { code: "invalid", message });
  refused({ Memory: 3 * MIB }, "Minimum memory limit allowed is 6MB");
  refused(
    { Memory: 64 * MIB, MemorySwap: 32 * MIB },
    "Minimum memoryswap limit should be larger than memory limit, see usage",
  );
  refused({ MemorySwap: 32 * MIB }, "You should always set the Memory limit when using Memoryswap limit, see usage");
  refused({ MemorySwappiness: 101 }, "Invalid value: 101, valid memory swappiness range is 0-100");
  refused(
    { Memory: 64 * MIB, MemoryReservation: 128 * MIB },
    "Minimum memory limit can not be less than memory reservation limit, see usage",
  );
});

test("processor limits", () => {
  const refused = (asked: object, message: string): void =>
    assert.throws(() => check(asked), { code: "invalid", message });
  refused({ NanoCpus: 3e9 }, "range of CPUs is from 0.01 to 2.00, as there are only 2 CPUs available");
  refused({ NanoCpus: 1e9, CpuQuota: 1000 }, "Conflicting options: Nano CPUs and CPU Quota cannot both be set");
  refused({ CpuPeriod: 10 }, "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)");
  refused({ CpusetCpus: "0-7" }, "Requested CPUs are not available - requested 0-7, available: 0-1");
  refused({ CpusetCpus: "x" }, "Invalid value x for cpuset cpus");
  assert.equal(check({ CpuShares: 1 }).resources.CpuShares, 2);
});

test("what the kernel cannot do is dropped with Docker's warning", () => {
  const { resources, warnings } = check(
    { Memory: 100 * MIB, PidsLimit: 5 },
    { ...everything, swap: false, pids: false },
  );
  assert.equal(resources.MemorySwap, -1);
  assert.equal(resources.PidsLimit, undefined);
  assert.deepEqual(warnings, [
    "Your kernel does not support swap limit capabilities or the cgroup is not mounted. Memory limited without swap.",
    "Your kernel does not support PIDs limit capabilities or the cgroup is not mounted. PIDs limit discarded.",
  ]);
});

test("graphics cards are refused in Docker's words", () => {
  assert.throws(() => check({ DeviceRequests: [{ Count: -1, Capabilities: [["gpu"]] }] }), {
    code: "invalid",
    message: 'could not select device driver "" with capabilities: [[gpu]]',
  });
});

test("limits as OCI resources", () => {
  const devices = (): { major: number; minor: number } => ({ major: 8, minor: 0 });
  assert.deepEqual(ociResources({}, devices), {});
  assert.deepEqual(
    ociResources(
      {
        Memory: 100,
        MemorySwap: -1,
        NanoCpus: 1.5e9,
        PidsLimit: 7,
        BlkioDeviceReadBps: [{ Path: "/dev/sda", Rate: 9 }],
      },
      devices,
    ),
    {
      memory: { limit: 100, swap: -1 },
      cpu: { period: 100_000, quota: 150_000 },
      pids: { limit: 7 },
      blockIO: { throttleReadBpsDevice: [{ major: 8, minor: 0, rate: 9 }] },
    },
  );
});

test("kernel id lists", () => {
  assert.deepEqual(parseIdList("0-2,5"), [0, 1, 2, 5]);
  for (const bad of ["", "2-1", "a", "0-99999"]) assert.equal(parseIdList(bad), undefined);
});
