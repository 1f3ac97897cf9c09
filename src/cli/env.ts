import { GantryError } from "#base/errors.ts";
import type { Places } from "#base/places.ts";
import { readStatus } from "./control-client.ts";
import type { CliPorts } from "./ports.ts";
import { readFile } from "node:fs/promises";

/** `gantry env`: shell lines that point docker and kubectl here; use as `eval "$(gantry env)"`. */
export async function env(ports: CliPorts, places: Places, output: string): Promise<number> {
  const found = await readStatus(places);
  if (!found) throw new GantryError("unavailable", "Gantry is not running: start it with 'gantry up -d'");
  const variables: Record<string, string> = {};
  if (found.dockerSocket) variables["DOCKER_HOST"] = `unix://${found.dockerSocket}`;
  if (found.kubeconfig) variables["KUBECONFIG"] = found.kubeconfig;
  if (output === "json") ports.out.write(`${JSON.stringify(variables, undefined, 2)}\n`);
  else for (const [name, value] of Object.entries(variables)) ports.out.write(`export ${name}=${shellQuote(value)}\n`);
  return 0;
}

/** `gantry kubeconfig`: the administrator's kubeconfig on standard output. */
export async function kubeconfig(ports: CliPorts, places: Places): Promise<number> {
  try {
    ports.out.write(await readFile(places.kubeconfig, "utf8"));
    return 0;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === "ENOENT")
      throw new GantryError(
        "not-found",
        `there is no kubeconfig at ${places.kubeconfig} yet: start Gantry with 'gantry up -d'`,
      );
    if (code === "EACCES") throw new GantryError("forbidden", `may not read ${places.kubeconfig}: run this as root`);
    throw error;
  }
}

function shellQuote(value: string): string {
  return /^[\w@%+=:,./-]+$/.test(value) ? value : `'${value.replaceAll("'", `'\\''`)}'`;
}
