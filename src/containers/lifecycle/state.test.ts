import assert from "node:assert/strict";
import { test } from "node:test";
import { isGantryError } from "#base/errors.ts";
import type { ContainerExit } from "../engine.ts";
import { publicState, transition, type Happening, type RecordState } from "./state.ts";

const exit: ContainerExit = { code: 3, oomKilled: false, error: "", at: 50 };

function run(from: RecordState, ...happenings: Happening[]): RecordState {
  let state = from;
  for (const happening of happenings) state = transition(state, happening);
  return state;
}

const started: Happening = { kind: "started", pid: 7, startTicks: 70, at: 20 };
const start: Happening = { kind: "start", at: 10 };
const exited: Happening = { kind: "exited", exit, restart: false };

test("a whole life", () => {
  const running = run({ status: "created" }, start, started);
  assert.deepEqual(running, { status: "running", pid: 7, startTicks: 70, startedAt: 20 });
  assert.equal(run(running, { kind: "paused" }, { kind: "unpaused" }).status, "running");
  const down = run(running, exited);
  assert.deepEqual(down, { status: "exited", startedAt: 20, exit });
  assert.deepEqual(run(down, { kind: "remove", volumes: true }), {
    status: "removing",
    volumes: true,
    startedAt: 20,
    exit,
  });
});

test("a start that fails leaves a new container created, with the reason", () => {
  const failed = { ...exit, code: 127, error: "no such file" };
  assert.deepEqual(run({ status: "created" }, start, { kind: "start-failed", exit: failed }), {
    status: "created",
    exit: failed,
  });
  assert.deepEqual(run({ status: "exited", startedAt: 5, exit }, start, { kind: "start-failed", exit: failed }), {
    status: "exited",
    startedAt: 5,
    exit: failed,
  });
});

test("the intent to start shows as the state before", () => {
  assert.deepEqual(publicState(run({ status: "created" }, start)), { status: "created" });
});

test("a restart can be cancelled, a failed removal leaves it dead", () => {
  const waiting = run({ status: "created" }, start, started, { ...exited, restart: true });
  assert.equal(waiting.status, "restarting");
  assert.deepEqual(run(waiting, { kind: "restart-cancelled" }), { status: "exited", startedAt: 20, exit });
  const dead = run({ status: "created" }, { kind: "remove", volumes: false }, { kind: "remove-failed", at: 9 });
  assert.equal(dead.status, "dead");
  assert.equal(run(dead, { kind: "remove", volumes: false }).status, "removing");
});

test("what cannot happen is refused", () => {
  const wrong: [RecordState, Happening][] = [
    [{ status: "created" }, started],
    [{ status: "created" }, exited],
    [{ status: "running", pid: 1, startTicks: 1, startedAt: 1 }, start],
    [
      { status: "running", pid: 1, startTicks: 1, startedAt: 1 },
      { kind: "remove", volumes: false },
    ],
    [{ status: "dead", startedAt: 0, exit }, start],
    [{ status: "exited", startedAt: 0, exit }, { kind: "paused" }],
  ];
  for (const [state, happening] of wrong)
    assert.throws(
      () => transition(state, happening),
      (error) => isGantryError(error, "internal"),
      `${state.status} ${happening.kind}`,
    );
});
