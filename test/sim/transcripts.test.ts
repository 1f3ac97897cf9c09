// Every write of the control plane in each scenario, undisturbed, as golden files: test/golden/transcripts. `--update` writes them anew.
import { test } from "node:test";
import { golden } from "../support/golden.ts";
import { runScenario, SCENARIOS } from "./scenarios/all.ts";
import { transcript } from "./support/transcript.ts";

const START_MS = Date.UTC(2026, 0, 1);

for (const scenario of SCENARIOS) {
  test(`the transcript of ${scenario.name}`, async () => {
    const told = transcript(START_MS);
    await runScenario(scenario, { seed: 0, onWrite: told.note });
    golden(`transcripts/${scenario.name.replaceAll(" ", "-")}.txt`, told.text());
  });
}
