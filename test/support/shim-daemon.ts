/** A stand-in for the daemon, to be killed: starts a shim in argv[2], runs the plan in the file argv[3] (as JSON), says so, and stays. */
import { readFileSync } from "node:fs";
import type { Step } from "#linux/launch-plan.ts";
import { startShim, type ProcessIo } from "#linux/shim.ts";

const [directory = "", planFile = ""] = process.argv.slice(2);
const { steps, io } = JSON.parse(readFileSync(planFile, "utf8")) as { steps: Step[]; io: ProcessIo };
const shim = await startShim(directory);
if (steps.length > 0) await shim.spawn("init", { steps }, io);
process.stdout.write(`${shim.pid}\n`);
setInterval(() => undefined, 60_000);
