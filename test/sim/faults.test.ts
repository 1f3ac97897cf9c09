// Seeded faults against the controllers: whatever is lost, late, repeated or restarted, limits hold on the way and the end is the same.
// SIM_SEEDS=100 makes a longer run; SIM_SEED=n repeats one. The run of 10,000 is test/sim/long-run.ts.
import assert from "node:assert/strict";
import { test } from "node:test";
import { runScenario, SCENARIOS } from "./scenarios/all.ts";
import { SOME_FAULTS } from "./support/faulty-client.ts";

const only = process.env["SIM_SEED"];
const seeds = only
  ? [Number(only)]
  : Array.from({ length: Number(process.env["SIM_SEEDS"] ?? 2) }, (_, index) => index + 1);

for (const scenario of SCENARIOS) {
  test(`${scenario.name} under faults ends as without them, within its limits all the way`, async () => {
    const undisturbed = await runScenario(scenario, { seed: 0 });
    for (const seed of seeds) {
      const { end } = await runScenario(scenario, { seed, faults: SOME_FAULTS, restarts: 0.02 });
      assert.deepEqual(end, undisturbed.end, `seed ${seed}`);
    }
  });
}
