// The long run of the fault simulation: bin/node test/sim/long-run.ts [seeds] [first seed]. Each seed takes the next scenario in turn, with faults and
// restarts; every tenth run is without faults and killed after one write. Prints what failed; exit code 1 when something did.
import assert from "node:assert/strict";
import { runScenario, SCENARIOS } from "./scenarios/all.ts";
import type { Scenario } from "./scenarios/scenario.ts";
import { SOME_FAULTS } from "./support/faulty-client.ts";

const count = Number(process.argv[2] ?? 10_000);
const first = Number(process.argv[3] ?? 1);
const undisturbed = new Map<Scenario, Awaited<ReturnType<typeof runScenario>>>();
const started = Date.now();
let failures = 0;

for (let seed = first; seed < first + count; seed++) {
  const scenario = SCENARIOS[seed % SCENARIOS.length];
  if (!scenario) continue;
  const expected = undisturbed.get(scenario) ?? (await runScenario(scenario, { seed: 0 }));
  undisturbed.set(scenario, expected);
  const round = Math.floor(seed / SCENARIOS.length);
  const killed = round % 10 === 0;
  try {
    const { end } = await runScenario(
      scenario,
      killed
        ? { seed, crashAtWrite: 1 + ((round / 10) % expected.writes) }
        : { seed, faults: SOME_FAULTS, restarts: 0.02 },
    );
    assert.deepEqual(end, expected.end);
  } catch (error) {
    failures++;
    console.log(`FAILED ${scenario.name}, seed ${seed}${killed ? ", killed" : ""}: ${String(error)}`);
  }
  if ((seed - first + 1) % 100 === 0) {
    const seconds = Math.round((Date.now() - started) / 1000);
    console.log(`${seed - first + 1} of ${count} seeds in ${seconds} s, ${failures} failed`);
  }
}
process.exit(failures > 0 ? 1 : 0);
