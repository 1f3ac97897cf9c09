import type { Command } from "commander";
import type { Places } from "#base/places.ts";
import { askRunning } from "./control-client.ts";
import type { CliPorts, NodeInfo } from "./ports.ts";
import { checkOutput } from "./status.ts";

const VERBS: Readonly<Record<string, readonly [description: string, done: string]>> = {
  start: ["switch a node on, or plug its cable in again", "started"],
  stop: ["switch a node off, as if its power failed: its containers end at once", "stopped"],
  partition: ["pull a node's cable: its containers run on, and nobody reaches it", "partitioned"],
  remove: ["take a node and everything on it away", "removed"],
};

interface Parts {
  readonly ports: CliPorts;
  readonly places: () => Places;
  readonly does: (action: () => Promise<number>) => () => Promise<void>;
}

/** Adds `gantry node` with its verbs. */
export function addNodeCommands(program: Command, { ports, places, does }: Parts): void {
  const node = program.command("node").description("the nodes on this machine: add one, stop one, see what happens");
  const change = (verb: string, done: string, more: () => Record<string, string>) => (name: string) =>
    does(async () => {
      const query = new URLSearchParams({ verb, name, ...more() });
      await askRunning(places(), "POST", `/nodes?${query.toString()}`);
      ports.out.write(`node ${name} ${done}\n`);
      return 0;
    })();
  const list = node.command("list").alias("ls").description("list the nodes");
  list.option("-o, --output <format>", "text or json", "text").action(
    does(async () => {
      const output = checkOutput(list.opts<{ output: string }>().output);
      const nodes = JSON.parse(await askRunning(places(), "GET", "/nodes")) as NodeInfo[];
      ports.out.write(output === "json" ? `${JSON.stringify(nodes, undefined, 2)}\n` : table(nodes));
      return 0;
    }),
  );
  const add = node.command("add <name>").description("make a further node and start it");
  add
    .option("--labels <labels>", "labels of the node: zone=a,disk=ssd", "")
    .option("--taints <taints>", "taints of the node: key=value:NoSchedule,...", "")
    .action(change("add", "added", () => add.opts<{ labels: string; taints: string }>()));
  for (const [verb, [description, done]] of Object.entries(VERBS))
    node
      .command(`${verb} <name>`)
      .description(description)
      .action(change(verb, done, () => ({})));
}

function table(nodes: readonly NodeInfo[]): string {
  const rows = [
    ["NAME", "STATE", "ADDRESS", "PODS"],
    ...nodes.map(({ name, state, ip, podCidr, isOwn }) => [
      name,
      isOwn ? `${state} (this machine)` : state,
      ip,
      podCidr,
    ]),
  ];
  const widths = [0, 1, 2, 3].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)) + 3);
  return rows
    .map(
      (row) =>
        `${row
          .map((cell, column) => cell.padEnd(widths[column] ?? 0))
          .join("")
          .trimEnd()}\n`,
    )
    .join("");
}
