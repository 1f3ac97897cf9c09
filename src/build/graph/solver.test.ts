import assert from "node:assert/strict";
import { test } from "node:test";
import { advance, newSolve, type SolverEvent, type SolverVertex } from "./solver.ts";

/** `3<1,2` is vertex 3 with the inputs 1 and 2. */
function graph(text: string): SolverVertex[] {
  return text.split(" ").map((part) => {
    const [id = "", inputs = ""] = part.split("<");
    return { id: Number(id), inputs: inputs === "" ? [] : inputs.split(",").map(Number) };
  });
}

/** Events `+1` (done), `-1` (failed), `~1` (canceled), `!` (cancel); a line of what each begins. */
function transcript(vertices: string, limit: number, events: string): string[] {
  let solve = newSolve(graph(vertices), limit);
  const lines: string[] = [];
  for (const text of ["begin", ...events.split(" ").filter(Boolean)]) {
    const vertex = Number(text.slice(1));
    const kinds: Record<string, SolverEvent> = {
      "+": { kind: "done", vertex },
      "-": { kind: "failed", vertex },
      "~": { kind: "canceled", vertex },
      "!": { kind: "cancel" },
    };
    const next = advance(solve, kinds[text.charAt(0)] ?? { kind: "begin" });
    solve = next.solve;
    const parts = [text, `start ${next.start.join(",") || "-"}`];
    if (next.canceled.length > 0) parts.push(`canceled ${next.canceled.join(",")}`);
    if (next.outcome) parts.push(next.outcome);
    lines.push(parts.join(" | "));
  }
  return lines;
}

test("a chain goes one by one", () => {
  assert.deepEqual(transcript("1 2<1 3<2", 4, "+1 +2 +3"), [
    "begin | start 1",
    "+1 | start 2",
    "+2 | start 3",
    "+3 | start - | done",
  ]);
});

test("independent stages run side by side, and one that needs both waits for both", () => {
  assert.deepEqual(transcript("1 2<1 3 4<3 5<2,4", 4, "+3 +1 +4 +2 +5"), [
    "begin | start 1,3",
    "+3 | start 4",
    "+1 | start 2",
    "+4 | start -",
    "+2 | start 5",
    "+5 | start - | done",
  ]);
});

test("no more than the limit run at once", () => {
  assert.deepEqual(transcript("1 2 3", 2, "+2 +1 +3"), [
    "begin | start 1,2",
    "+2 | start 3",
    "+1 | start -",
    "+3 | start - | done",
  ]);
});

test("after a failure nothing is begun, and what runs comes to its end", () => {
  assert.deepEqual(transcript("1 2<1 3 4<3", 4, "-1 ~3"), [
    "begin | start 1,3",
    "-1 | start - | canceled 2,4",
    "~3 | start - | failed",
  ]);
});

test("a cancelled build waits for what runs", () => {
  assert.deepEqual(transcript("1 2<1", 4, "! ~1"), [
    "begin | start 1",
    "! | start - | canceled 2",
    "~1 | start - | failed",
  ]);
});
