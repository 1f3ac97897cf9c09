// Informers, leader election and the event recorder on a real API server, on virtual time.
import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { virtualClock } from "../../src/base/clock.ts";
import { GantryError } from "../../src/base/errors.ts";
import { silentLogger } from "../../src/base/logger.ts";
import { seededRandom } from "../../src/base/random.ts";
import { RESOURCES } from "../../src/formats/kube-resources.ts";
import type { ConfigMap } from "../../src/formats/kube-types.generated.ts";
import type { KubeClient } from "../../src/kube-client/client.ts";
import { eventRecorder } from "../../src/kube-client/events.ts";
import { informer } from "../../src/kube-client/informer.ts";
import { runLeaderElection, type LeaderElectionOptions } from "../../src/kube-client/leader-election.ts";
import { createCluster } from "../../src/main/create-cluster.ts";
import { advanceUntil, settle } from "./support/virtual-time.ts";

async function plainCluster(t: TestContext) {
  const clock = virtualClock();
  const cluster = await createCluster({ clock, scheduler: false, controllers: [] });
  t.after(() => cluster.close());
  return { client: cluster.client, clock, logger: silentLogger, random: seededRandom(1) };
}

function configMap(name: string, value = "1"): ConfigMap {
  return { apiVersion: "v1", kind: "ConfigMap", metadata: { name, namespace: "default" }, data: { value } };
}

test("an informer tells of what is there, what changes, and what goes", async (t) => {
  const { client, clock, logger, random } = await plainCluster(t);
  await client.create(RESOURCES.configmaps, configMap("a"));
  const told: string[] = [];
  const maps = informer(RESOURCES.configmaps, { client, clock, logger, random, selectors: { namespace: "default" } });
  t.after(() => maps.stop());
  const name = ({ metadata, data }: ConfigMap): string => `${metadata.name ?? ""}=${data?.["value"] ?? ""}`;
  maps.addHandler({
    add: (map) => told.push(`+${name(map)}`),
    update: (before, after) => told.push(`${name(before)}>${name(after)}`),
    delete: (map) => told.push(`-${name(map)}`),
  });
  maps.addHandler({
    add: () => {
      throw new Error("a bad handler");
    },
  });
  maps.start();
  await maps.whenSynced();
  await client.create(RESOURCES.configmaps, configMap("b"));
  await client.update(RESOURCES.configmaps, configMap("a", "2"));
  await client.delete(RESOURCES.configmaps, "default", "b");
  await settle();
  assert.deepEqual(
    told.filter((each) => !each.includes("kube-root")),
    ["+a=1", "+b=1", "a=1>a=2", "-b=1"],
  );
  assert.deepEqual(maps.cache.get("default/a")?.data, { value: "2" });
  const late: string[] = [];
  maps.addHandler({ add: (map) => late.push(name(map)) });
  assert.deepEqual(
    late.filter((each) => !each.includes("kube-root")),
    ["a=2"],
    "a late handler hears of what is there",
  );
});

/** A client whose watches can be cut, and answered with `gone`. */
function cuttable(client: KubeClient) {
  const cuts = new Set<AbortController>();
  const state = { gone: 0, fail: 0, watches: 0, lists: 0 };
  const wrapped: KubeClient = {
    ...client,
    list(resource, options) {
      state.lists++;
      return state.fail-- > 0 ? Promise.reject(new GantryError("unavailable", "down")) : client.list(resource, options);
    },
    watch(resource, options) {
      state.watches++;
      if (state.gone-- > 0) throw new GantryError("gone", "too old");
      const cut = new AbortController();
      cuts.add(cut);
      return client.watch(resource, { ...options, signal: AbortSignal.any([cut.signal, options.signal]) });
    },
  };
  return { state, wrapped, cut: () => cuts.forEach((each) => each.abort()) };
}

test("after a broken watch an informer resumes where it was; after `gone` it lists anew and misses nothing", async (t) => {
  const { client, clock, logger, random } = await plainCluster(t);
  const { wrapped, cut, state } = cuttable(client);
  await client.create(RESOURCES.configmaps, configMap("a"));
  await client.create(RESOURCES.configmaps, configMap("b"));
  const maps = informer(RESOURCES.configmaps, { client: wrapped, clock, logger, random });
  t.after(() => maps.stop());
  const gone: string[] = [];
  maps.addHandler({ delete: ({ metadata }) => gone.push(metadata.name ?? "") });
  maps.start();
  await maps.whenSynced();
  await settle();
  assert.deepEqual([state.lists, state.watches], [1, 1]);
  cut();
  await client.create(RESOURCES.configmaps, configMap("c"));
  await advanceUntil(clock, "c", () => maps.cache.get("default/c") !== undefined);
  assert.equal(state.lists, 1, "resumed");
  state.gone = 1;
  state.fail = 3;
  cut();
  await client.delete(RESOURCES.configmaps, "default", "a");
  await client.delete(RESOURCES.configmaps, "default", "b");
  await client.create(RESOURCES.configmaps, configMap("b", "another"));
  await advanceUntil(clock, "the new b", () => maps.cache.get("default/b")?.data?.["value"] === "another");
  assert.deepEqual(gone.sort(), ["a", "b"], "b was deleted and made anew, unseen");
  assert.ok(state.lists >= 5);
});

test("an idle informer waits for its watch and for nothing else", async (t) => {
  const { client, clock, logger, random } = await plainCluster(t);
  const maps = informer(RESOURCES.configmaps, { client, clock, logger, random });
  t.after(() => maps.stop());
  maps.start();
  await maps.whenSynced();
  await settle();
  assert.equal(clock.nextDeadline(), undefined);
});

function candidate(parts: Pick<LeaderElectionOptions, "client" | "clock" | "logger" | "random">, identity: string) {
  const stop = new AbortController();
  const state = { leading: false, leaders: [] as string[] };
  const done = runLeaderElection({
    ...parts,
    identity,
    namespace: "kube-system",
    name: "lock",
    signal: stop.signal,
    onNewLeader: (leader) => state.leaders.push(leader),
    async lead(lost) {
      state.leading = true;
      await new Promise<void>((resolve) => lost.addEventListener("abort", () => resolve()));
      state.leading = false;
    },
  });
  return { state, done, stop: () => stop.abort() };
}

test("one candidate leads; when it lets go the next follows at once, when it dies after the lease has run out", async (t) => {
  const parts = await plainCluster(t);
  const { clock, client } = parts;
  let dead = false;
  const mortal: KubeClient = {
    ...client,
    update: (...args) => (dead ? Promise.reject(new GantryError("unavailable", "dead")) : client.update(...args)),
  };
  const first = candidate(parts, "one");
  await advanceUntil(clock, "one leads", () => first.state.leading);
  const second = candidate({ ...parts, client: mortal }, "two");
  await clock.advance(60_000);
  assert.deepEqual([first.state.leading, second.state.leading], [true, false]);
  assert.ok(second.state.leaders.includes("one"));
  const released = clock.now();
  first.stop();
  await advanceUntil(clock, "two leads", () => second.state.leading);
  assert.ok(clock.now() - released < 5000, `${clock.now() - released} ms`);
  await first.done;
  const third = candidate(parts, "three");
  await settle();
  const died = clock.now();
  dead = true;
  await advanceUntil(clock, "three leads", () => third.state.leading);
  assert.ok(clock.now() - died >= 13_000 && clock.now() - died < 20_000, `${clock.now() - died} ms`);
  assert.equal(second.state.leading, false, "it stopped by itself, before the lease ran out");
  await second.done;
  const lease = await client.get(RESOURCES.leases, "kube-system", "lock");
  assert.deepEqual([lease.spec?.holderIdentity, lease.spec?.leaseTransitions], ["three", 2]);
  third.stop();
  await advanceUntil(clock, "all ended", () => !third.state.leading);
  await third.done;
});

test("the recorder counts repeats on one event, and an event that was deleted is made anew", async (t) => {
  const { client, clock, logger } = await plainCluster(t);
  const events = eventRecorder({ client, clock, logger, component: "tester" });
  t.after(() => events.stop());
  const map = await client.create(RESOURCES.configmaps, configMap("a"));
  const say = async (): Promise<void> => {
    events.record(map, "Warning", "Broken", "it is broken");
    await events.flushed();
  };
  for (let count = 0; count < 3; count++) await say();
  const [event, ...others] = (await client.list(RESOURCES.events, { namespace: "default" })).items;
  assert.equal(others.length, 0);
  assert.deepEqual(
    [event?.count, event?.type, event?.reason, event?.message],
    [3, "Warning", "Broken", "it is broken"],
  );
  assert.deepEqual(
    [event?.involvedObject.kind, event?.involvedObject.uid, event?.source?.component],
    ["ConfigMap", map.metadata.uid, "tester"],
  );
  await client.delete(RESOURCES.events, "default", event?.metadata.name ?? "");
  await say();
  assert.equal((await client.list(RESOURCES.events, { namespace: "default" })).items[0]?.count, 1);
});
