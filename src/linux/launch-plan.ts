/**
 * What the shim executes: a flat list of steps, decided in TypeScript (containers/), done in C by one loop with one switch.
 * The steps' names and argument types come from native/shim/steps.json, from which both languages' tables are generated.
 */
import type { Step } from "./launch-steps.generated.ts";

export type { Step } from "./launch-steps.generated.ts";

export interface LaunchPlan {
  readonly steps: readonly Step[];
}
