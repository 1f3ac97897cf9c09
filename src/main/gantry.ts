import { createProgram } from "#cli/program.ts";
import { isGantryError } from "#base/errors.ts";
import { gantryVersion } from "./version.ts";

const program = createProgram({
  version: gantryVersion(),
  // Loaded on demand: `gantry status` does not pay for the daemon.
  start: async (options) => (await import("./daemon.ts")).startDaemon(options),
  serveRegistry: async (places, serving) => (await import("./serve-registry.ts")).serveRegistry(places, serving),
  runScheduler: async (serving) => (await import("./scheduler-process.ts")).runScheduler(serving),
  plan: async (request) => (await import("./plan/plan.ts")).makePlan(request),
  restoreSnapshot: async (places, file) => (await import("./snapshot.ts")).restoreSnapshot(places, file),
  out: process.stdout,
  err: process.stderr,
});

try {
  process.exit(await program.run(process.argv.slice(2)));
} catch (error) {
  const text = isGantryError(error)
    ? error.message
    : error instanceof Error
      ? (error.stack ?? error.message)
      : String(error);
  process.stderr.write(`gantry: ${text}\n`);
  process.exit(1);
}
