import { GantryError } from "#base/errors.ts";
import type { Places } from "#base/places.ts";
import { readStatus } from "./control-client.ts";
import type { CliPorts, GantryStatus } from "./ports.ts";
import { mebibytes, styleFor } from "./style.ts";

/** `gantry status`: exit code 0 when it runs, 3 (as `systemctl status`) when it does not. */
export async function status(ports: CliPorts, places: Places, output: string): Promise<number> {
  const found = await readStatus(places);
  if (output === "json")
    ports.out.write(`${JSON.stringify(found ? { running: true, ...found } : { running: false }, undefined, 2)}\n`);
  else ports.out.write(found ? describeStatus(ports, found) : `Gantry is not running. Start it with: gantry up\n`);
  return found ? 0 : 3;
}

/** `-o` values that the verbs with data take. */
export function checkOutput(output: string): string {
  if (output !== "text" && output !== "json")
    throw new GantryError("invalid", `unknown output format "${output}": use text or json`);
  return output;
}

function describeStatus(ports: CliPorts, found: GantryStatus): string {
  const { bold, green } = styleFor(ports.out);
  const rows: [string, string | undefined][] = [
    ["pid", String(found.pid)],
    ["version", found.version],
    ["up since", new Date(found.startedAt).toISOString()],
    [
      "Docker API",
      found.dockerSocket &&
        `unix://${found.dockerSocket}${found.defaultDockerSocket ? ` (and ${found.defaultDockerSocket})` : ""}`,
    ],
    ["Kubernetes API", found.apiServer],
    ["kubeconfig", found.kubeconfig],
    ["node", found.nodeName],
    ["running containers", String(found.containersRunning)],
    ["memory", mebibytes(found.residentBytes)],
  ];
  const lines = rows.filter(([, value]) => value).map(([name, value]) => `  ${name.padEnd(20)}${value}`);
  return `${bold("Gantry")} ${green("runs")}\n${lines.join("\n")}\n`;
}
