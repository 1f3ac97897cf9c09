import assert from "node:assert/strict";
import { test } from "node:test";
import { virtualClock } from "#base/clock.ts";
import { silentLogger } from "#base/logger.ts";
import type { Pod } from "#formats/kube-types.generated.ts";
import { evictionConfig, isMet, type Pressure, type Readings } from "../eviction-thresholds.ts";
import { startEvictor } from "./evictor.ts";
import { evictionMessage, evictionOrder, type PodStanding } from "./ranking.ts";

function standing(name: string, used: number, request = "0", priority = 0): PodStanding {
  const pod = {
    metadata: { name, uid: name },
    spec: { priority, containers: [{ name: "main", resources: { requests: { memory: request } } }] },
  } as unknown as Pod;
  return { pod, containers: [{ name: "main", used }], used };
}

const MIB = 2 ** 20;

test("thresholds in the kubelet's words; what is none is refused by its flag", () => {
  const { thresholds } = evictionConfig({
    hard: "memory.available<100Mi,nodefs.available<10%",
    soft: "memory.available<1Gi",
    softGrace: "memory.available=1m30s",
  });
  assert.deepEqual(
    thresholds.map(({ signal, limit, graceMs }) => [signal, limit, graceMs]),
    [
      ["memory.available", { amount: 100 * MIB }, 0],
      ["nodefs.available", { fraction: 0.1 }, 0],
      ["memory.available", { amount: 1024 * MIB }, 90_000],
    ],
  );
  const [memory, disk] = thresholds;
  const readings: Readings = {
    "memory.available": { available: 99 * MIB, capacity: 1 },
    "nodefs.available": { available: 11, capacity: 100 },
  };
  assert.equal(memory && isMet(memory, readings), true);
  assert.equal(disk && isMet(disk, readings), false);
  assert.throws(
    () => evictionConfig({ hard: "memory.free<1Gi" }),
    /--eviction-hard: "memory.free" is no eviction signal/,
  );
  assert.throws(() => evictionConfig({ soft: "memory.available<1Gi" }), /needs a time in --eviction-soft-grace-period/);
});

test("who uses more than asked for goes first, then low priority, then the greediest; critical pods stay", () => {
  const order = evictionOrder(
    [
      standing("modest", 10 * MIB, "100Mi"),
      standing("greedy", 300 * MIB, "100Mi"),
      standing("greedier", 400 * MIB, "100Mi"),
      standing("greedy-and-important", 900 * MIB, "0", 1000),
      standing("critical", 900 * MIB, "0", 2_000_000_000),
    ],
    "memory",
  );
  assert.deepEqual(
    order.map(({ pod }) => pod.metadata.name),
    ["greedier", "greedy", "greedy-and-important", "modest"],
  );
  assert.equal(
    evictionMessage(standing("a", 300 * MIB, "100Mi"), "memory", { text: "100Mi", available: 50 * MIB }),
    "The node was low on resource: memory. Threshold quantity: 100Mi, available: 51200Ki. Container main was using 307200Ki, request is 100Mi, has larger consumption of memory. ",
  );
});

test("one pod at a time; the pressure is told at once and until some time after it has ended", async () => {
  const clock = virtualClock();
  let available = 1000;
  const evicted: string[] = [];
  const told: string[] = [];
  let pods = [standing("a", 5), standing("b", 9)];
  const evictor = startEvictor({
    config: { ...evictionConfig({ hard: "memory.available<100" }), transitionMs: 60_000 },
    clock,
    logger: silentLogger,
    events: { record: () => undefined },
    readings: () => Promise.resolve({ "memory.available": { available, capacity: 1000 } }),
    standings: () => Promise.resolve(pods),
    evict({ metadata }) {
      evicted.push(metadata.name ?? "");
      pods = pods.filter(({ pod }) => pod.metadata.name !== metadata.name);
    },
    isEnding: () => false,
    reclaimDisk: () => Promise.resolve(false),
    onPressures: (pressures: ReadonlySet<Pressure>) => void told.push([...pressures].join(" ")),
  });
  const pass = async (): Promise<void> => {
    await clock.advance(10_000);
    await new Promise((resolve) => setImmediate(resolve));
  };
  await pass();
  assert.deepEqual([evicted, told], [[], []]);
  available = 50;
  await pass();
  assert.deepEqual([evicted, told], [["b"], ["MemoryPressure"]]);
  available = 500;
  for (let passes = 0; passes < 5; passes++) await pass();
  assert.deepEqual(told, ["MemoryPressure"]);
  await pass();
  assert.deepEqual([evicted, told], [["b"], ["MemoryPressure", ""]]);
  evictor.close();
});
