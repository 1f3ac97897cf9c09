// The control plane is killed between two writes and started anew, at write after write: limits hold on the way and the end is the same.
// SIM_WRITES=1 takes every write; the suite takes some.
import assert from "node:assert/strict";
import { test } from "node:test";
import { runScenario, SCENARIOS } from "./scenarios/all.ts";

const RUNS = 2;

for (const scenario of SCENARIOS) {
  test(`${scenario.name} ends the same when the control plane is killed after any write`, async () => {
    const undisturbed = await runScenario(scenario, { seed: 0 });
    const stride = Number(process.env["SIM_WRITES"] ?? Math.max(1, Math.floor(undisturbed.writes / RUNS)));
    for (let crashAtWrite = 1; crashAtWrite <= undisturbed.writes; crashAtWrite += stride) {
      const { end } = await runScenario(scenario, { seed: 0, crashAtWrite });
      assert.deepEqual(end, undisturbed.end, `killed after write ${crashAtWrite}`);
    }
  });
}
