// A month of leases renewed and events that come and go: the store's file and memory hold the present, not the month.
// GANTRY_LONG_STORE=1 renews and reports as often as a cluster of ten nodes does; without it, a twentieth of that.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { it } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { virtualClock } from "#base/clock.ts";
import { openSqliteStore } from "#store/sqlite.ts";
import type { Store } from "#store/store.ts";

const HOUR_MS = 3_600_000;
const HOURS = 30 * 24;
const OFTEN = process.env["GANTRY_LONG_STORE"] ? 20 : 1;
/** Ten nodes and two elected components renew every 10 s (k8s.io/component-helpers, kubelet's nodeLeaseDurationSeconds / 4). */
const LEASES = 12;
const RENEWALS_AN_HOUR = 18 * OFTEN;
const EVENTS_AN_HOUR = 30 * OFTEN;
/** kube-apiserver's --event-ttl. */
const EVENT_TTL_MS = HOUR_MS;

it("the store's file is bounded under a month of leases and events", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "gantry-month-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, "state.db");
  const clock = virtualClock();
  const store = await openSqliteStore(path, { clock });
  t.after(() => store.close());
  const sizes: number[] = [];
  for (let hour = 0; hour < HOURS; hour++) {
    await liveAnHour(store, hour);
    await clock.advance(HOUR_MS);
    await removed(store, hour);
    sizes.push(statSync(path).size);
  }
  const events = await store.range("/registry/events/");
  assert.ok(events.items.length <= EVENTS_AN_HOUR, `${events.items.length} events are left`);
  assert.equal((await store.range("/registry/leases/")).items.length, LEASES);
  const present = EVENTS_AN_HOUR * 1000 + LEASES * 700;
  const most = Math.max(...sizes);
  assert.ok(most <= 4 * present + 256 * 1024, `${most} bytes at most, ${present} at a time`);
  const log = statSync(`${path}-wal`).size;
  assert.ok(log <= 24 * 2 ** 20, `${log} bytes of log`);
});

async function liveAnHour(store: Store, hour: number): Promise<void> {
  const writes: Promise<unknown>[] = [];
  for (let count = 0; count < RENEWALS_AN_HOUR; count++) {
    for (let lease = 0; lease < LEASES; lease++) {
      const value = Buffer.from(JSON.stringify({ holder: `node-${lease}`, hour, count, fill: "x".repeat(400) }));
      writes.push(store.commit({ kind: "put", key: `/registry/leases/node-${lease}`, value, ttlMs: Infinity }));
    }
  }
  for (let count = 0; count < EVENTS_AN_HOUR; count++) {
    const value = Buffer.from(JSON.stringify({ hour, count, fill: "e".repeat(700) }));
    writes.push(
      store.commit({ kind: "put", key: `/registry/events/default/e-${hour}-${count}`, value, ttlMs: EVENT_TTL_MS }),
    );
  }
  await Promise.all(writes);
}

/** Expiry writes by itself: this waits for what is due to be gone, as the hour after would. */
async function removed(store: Store, hour: number): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (await store.get(`/registry/events/default/e-${hour}-${EVENTS_AN_HOUR - 1}`)) {
    assert.ok(performance.now() < deadline, `events of hour ${hour} are still there`);
    await turn();
  }
}
