import { resolve } from "node:path";
import type { Command } from "commander";
import type { Places } from "#base/places.ts";
import { askRunning } from "./control-client.ts";
import type { CliPorts } from "./ports.ts";

interface Verbs {
  readonly ports: CliPorts;
  readonly places: () => Places;
  readonly does: (action: () => Promise<number>) => () => Promise<void>;
}

/** `gantry snapshot save FILE` and `gantry snapshot restore FILE`. */
export function addSnapshotCommands(program: Command, { ports, places, does }: Verbs): void {
  const snapshot = program.command("snapshot").description("copy the cluster's state to a file, and bring it back");
  snapshot
    .command("save <file>")
    .description(
      "write the running cluster's objects and keys to a file; it holds secrets and is readable by root only",
    )
    .action((file: string) => does(() => save(ports, places(), file))());
  snapshot
    .command("restore <file>")
    .description(
      "make a snapshot this cluster's state, while Gantry is down; the state that was there is kept beside it",
    )
    .action((file: string) => does(() => restore(ports, places(), file))());
}

async function save({ out }: CliPorts, places: Places, file: string): Promise<number> {
  const target = resolve(file);
  await askRunning(places, "POST", `/snapshot?path=${encodeURIComponent(target)}`);
  out.write(`saved ${target}\n`);
  return 0;
}

async function restore(ports: CliPorts, places: Places, file: string): Promise<number> {
  const source = resolve(file);
  await ports.restoreSnapshot(places, source);
  ports.out.write(`restored ${source}; start with: gantry up\n`);
  return 0;
}
