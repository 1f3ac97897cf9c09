import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { isGantryError } from "#base/errors.ts";
import { fairShare } from "./fair-share.ts";

describe("fair shares", () => {
  it("lets a newcomer go before the rest of who has many waiting", async () => {
    const shares = fairShare({ seats: 2, seatsOfUser: 2, waitingOfUser: 100, waiting: 1000 });
    const order: string[] = [];
    const work = async (user: string): Promise<void> => {
      const leave = await shares.enter(user);
      order.push(user);
      await turn();
      leave();
    };
    const all = Array.from({ length: 20 }, () => work("greedy"));
    await turn();
    all.push(work("modest"));
    await Promise.all(all);
    assert.ok(order.indexOf("modest") <= 4, order.join(" "));
    assert.deepEqual([shares.working, shares.waiting], [0, 0]);
  });

  it("takes turns between users with many waiting", async () => {
    const shares = fairShare({ seats: 1, seatsOfUser: 1, waitingOfUser: 100, waiting: 1000 });
    const order: string[] = [];
    const first = await shares.enter("x");
    const all = [..."aaabbb"].map(async (user) => {
      const leave = await shares.enter(user);
      order.push(user);
      leave();
    });
    first();
    await Promise.all(all);
    assert.equal(order.join(""), "ababab");
  });

  it("refuses what is beyond a user's line, and goes on taking others", async () => {
    const shares = fairShare({ seats: 1, seatsOfUser: 1, waitingOfUser: 2, waiting: 3 });
    const leave = await shares.enter("a");
    const waiting = [shares.enter("a"), shares.enter("a")];
    const tooMany = (error: unknown): boolean => isGantryError(error, "too-many-requests");
    await assert.rejects(shares.enter("a"), tooMany);
    waiting.push(shares.enter("b"));
    await assert.rejects(shares.enter("c"), tooMany);
    leave();
    leave();
    await Promise.all(waiting.map(async (one) => (await one)()));
    assert.deepEqual([shares.working, shares.waiting], [0, 0]);
  });

  it("keeps seats for others", async () => {
    const shares = fairShare({ seats: 4, seatsOfUser: 3, waitingOfUser: 10, waiting: 10 });
    const taken = await Promise.all([shares.enter("a"), shares.enter("a"), shares.enter("a")]);
    let fourth = false;
    const waits = shares.enter("a").then((leave) => {
      fourth = true;
      return leave;
    });
    const other = await shares.enter("b");
    assert.equal(fourth, false);
    other();
    await turn();
    assert.equal(fourth, false);
    taken[0]?.();
    (await waits)();
    for (const leave of taken) leave();
    assert.equal(shares.working, 0);
  });
});
