import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { ProcessExit } from "../shim.ts";

const SUFFIX = ".exit";

/** The exit records in a shim's directory, by process id; none when the directory is gone. */
export async function readExitFiles(directory: string): Promise<ReadonlyMap<string, ProcessExit>> {
  const exits = new Map<string, ProcessExit>();
  for (const name of await list(directory)) {
    if (!name.endsWith(SUFFIX)) continue;
    const record = parse(await readFile(join(directory, name), "utf8"));
    if (record === undefined) continue;
    const { code, signal, oomKilled, at } = record;
    exits.set(name.slice(0, -SUFFIX.length), { code, ...(signal !== 0 && { signal }), oomKilled, at });
  }
  return exits;
}

/** A machine that failed may have left a name without its bytes: there is no such exit then. */
function parse(text: string): Required<ProcessExit> | undefined {
  return text.endsWith("}\n") ? (JSON.parse(text) as Required<ProcessExit>) : undefined;
}

async function list(directory: string): Promise<readonly string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}
