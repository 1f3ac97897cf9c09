import { readFile, readdir, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { text as readAll } from "node:stream/consumers";
import { GantryError } from "#base/errors.ts";
import type { Places } from "#base/places.ts";
import type { CliPorts } from "../ports.ts";
import { checkOutput } from "../status.ts";
import { styleFor } from "../style.ts";
import { columns } from "./columns.ts";
import type { Plan, PlannedNode, PlannedPod } from "../scheduling-ports.ts";

export interface PlanFlags {
  readonly filename?: readonly string[];
  readonly nodes?: readonly string[];
  readonly fromCluster?: boolean;
  readonly kubeconfig?: string;
  readonly namespace: string;
  readonly config?: string;
  readonly output: string;
}

/** `gantry plan`: exit code 0 when everything fits, 2 when something does not. */
export async function plan(ports: CliPorts, places: Places, flags: PlanFlags): Promise<number> {
  const output = checkOutput(flags.output);
  const { filename = [], nodes = [], kubeconfig, config } = flags;
  if (filename.length === 0) {
    throw new GantryError("invalid", "nothing to place: name manifests with -f FILE (- for standard input)");
  }
  if (nodes.length === 0 && !flags.fromCluster) {
    throw new GantryError(
      "invalid",
      "no nodes to place on: add some with --nodes 3x8cpu32Gi, take a cluster's with --from-cluster, or both",
    );
  }
  const manifests = (await Promise.all(filename.map(readManifests))).flat();
  const made = await ports.plan({
    manifests,
    nodes,
    namespace: flags.namespace,
    ...(flags.fromCluster && { fromCluster: { places, ...(kubeconfig && { kubeconfig: resolve(kubeconfig) }) } }),
    ...(config && { config: resolve(config) }),
  });
  ports.out.write(output === "json" ? `${JSON.stringify(made, undefined, 2)}\n` : describe(ports, made));
  return made.pods.every(({ node }) => node !== undefined) ? 0 : 2;
}

/** A file, the manifests of a folder, or standard input. */
async function readManifests(path: string): Promise<{ path: string; text: string }[]> {
  if (path === "-") return [{ path, text: await readAll(process.stdin) }];
  try {
    if (!(await stat(path)).isDirectory()) return [{ path, text: await readFile(path, "utf8") }];
    const names = (await readdir(path)).filter((name) => /\.(ya?ml|json)$/.test(name)).sort();
    return await Promise.all(
      names.map(async (name) => ({ path: join(path, name), text: await readFile(join(path, name), "utf8") })),
    );
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") throw new GantryError("not-found", `${path} does not exist`, {}, error);
    throw error;
  }
}

function describe(ports: CliPorts, { pods, nodes, preempted, tookMs }: Plan): string {
  const { bold, dim, green, red } = styleFor(ports.out);
  const placed = pods.filter(({ node }) => node !== undefined).length;
  const fits = placed === pods.length;
  const title = fits
    ? green(`All ${pods.length} pods fit`)
    : red(`${pods.length - placed} of ${pods.length} pods do not fit`);
  const lines = [`${title} ${dim(`on ${nodes.length} nodes (${Math.round(tookMs)} ms)`)}`];
  const section = (name: string, rows: readonly (readonly string[])[]): void => {
    if (rows.length > 0) lines.push("", bold(name), ...columns(rows).map((row) => `  ${row}`));
  };
  section("Workloads", [["WORKLOAD", "PLACED", "NODES"], ...byWorkload(pods)]);
  section("Does not fit", reasonsOf(pods));
  section(
    "Would have to go",
    preempted.map(({ namespace, name, node }) => [`${namespace}/${name}`, node]),
  );
  section("Fullest nodes", [["NODE", "CPU", "MEMORY", "PODS"], ...fullest(nodes)]);
  section("All nodes", totals(nodes));
  return `${lines.join("\n")}\n`;
}

function byWorkload(pods: readonly PlannedPod[]): string[][] {
  const groups = Map.groupBy(pods, ({ namespace, name, workload }) => `${namespace}/${workload ?? `Pod/${name}`}`);
  return Array.from(groups, ([name, all]) => {
    const on = all.flatMap(({ node }) => node ?? []);
    const names = Array.from(new Set(on));
    const shown = names.length > 3 ? `${names.length} nodes: ${names.slice(0, 3).join(", ")}, …` : names.join(", ");
    return [name, `${on.length}/${all.length}`, shown];
  });
}

function reasonsOf(pods: readonly PlannedPod[]): string[][] {
  const without = pods.filter(({ node }) => node === undefined);
  const groups = Map.groupBy(without, ({ namespace, name, workload, message }) =>
    JSON.stringify([`${namespace}/${workload ?? name}`, message ?? "not tried"]),
  );
  return Array.from(groups, ([key, all]) => {
    const [workload = "", message = ""] = JSON.parse(key) as string[];
    return [`${all.length} of ${workload}`, message];
  });
}

/** Nodes shown one by one. */
const SHOWN_NODES = 10;

function fullest(nodes: readonly PlannedNode[]): string[][] {
  const fullness = (node: PlannedNode): number => Math.max(share(node.cpu), share(node.memory));
  return nodes
    .toSorted((a, b) => fullness(b) - fullness(a))
    .slice(0, SHOWN_NODES)
    .map((node) => [node.name, used(node.cpu, cores), used(node.memory, gibibytes), String(node.pods)]);
}

type Use = PlannedNode["cpu"];

function totals(nodes: readonly PlannedNode[]): string[][] {
  const sum = (of: (node: PlannedNode) => Use): Use => ({
    requested: nodes.reduce((total, node) => total + of(node).requested, 0),
    allocatable: nodes.reduce((total, node) => total + of(node).allocatable, 0),
  });
  return [
    [
      "cpu",
      used(
        sum(({ cpu }) => cpu),
        cores,
      ),
    ],
    [
      "memory",
      used(
        sum(({ memory }) => memory),
        gibibytes,
      ),
    ],
    ["empty nodes", String(nodes.filter(({ pods }) => pods === 0).length)],
  ];
}

function share({ requested, allocatable }: Use): number {
  return allocatable === 0 ? 0 : requested / allocatable;
}

function used(use: Use, unit: (amount: number) => string): string {
  return `${unit(use.requested)}/${unit(use.allocatable)} (${Math.round(share(use) * 100)} %)`;
}

const cores = (amount: number): string => String(Math.round(amount * 100) / 100);
const gibibytes = (amount: number): string => `${Math.round((amount / 2 ** 30) * 10) / 10}Gi`;
