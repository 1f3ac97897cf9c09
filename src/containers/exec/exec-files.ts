/** What a running exec is, kept beside its container's shim, so that the next engine knows it too. */
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ExecConfig } from "../engine.ts";

const fileOf = (directory: string, id: string): string => join(directory, `exec-${id}.json`);

/** `directory`: the shim's, which is there while the container runs. */
export function writeExec(directory: string, id: string, config: ExecConfig): void {
  writeFileSync(fileOf(directory, id), JSON.stringify(config), { mode: 0o600 });
}

/** Harmless when there is none. */
export function forgetExec(directory: string, id: string): void {
  rmSync(fileOf(directory, id), { force: true });
}

/** undefined: it is not known, or what was written of it cannot be read. */
export function readExec(directory: string, id: string): ExecConfig | undefined {
  try {
    return JSON.parse(readFileSync(fileOf(directory, id), "utf8")) as ExecConfig;
  } catch {
    // A machine that went down in the middle of writing has no process left of it either.
    return undefined;
  }
}
