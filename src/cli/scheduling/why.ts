import { GantryError, isGantryError } from "#base/errors.ts";
import type { Places } from "#base/places.ts";
import type { KubeObject } from "#formats/kube-object.ts";
import { RESOURCES } from "#formats/kube-resources.ts";
import type { CliPorts } from "../ports.ts";
import { checkOutput } from "../status.ts";
import { styleFor } from "../style.ts";
import { clusterClient } from "./cluster.ts";
import { columns } from "./columns.ts";

export interface WhyFlags {
  readonly namespace?: string;
  readonly output: string;
  readonly kubeconfig?: string;
}

/** The document of pods/NAME/scheduling (docs/scheduling.md). */
interface PodScheduling extends KubeObject {
  readonly phase: string;
  readonly schedulerName: string;
  readonly message: string;
  readonly lastAttempt?: string;
  readonly reasons?: readonly { reason: string; plugin: string; count: number; nodes: readonly string[] }[];
  readonly nearest?: readonly { node: string; reasons: readonly string[] }[];
  readonly remedies?: readonly { nodeName: string; changes: readonly string[] }[];
  readonly scores?: readonly { node: string; total: number; byPlugin: Readonly<Record<string, number>> }[];
}

/** `gantry why POD`: exit code 0 when the pod is placed, 2 when it waits. */
export async function why(ports: CliPorts, places: Places, pod: string, flags: WhyFlags): Promise<number> {
  const output = checkOutput(flags.output);
  const name = pod.replace(/^pods?\//, "");
  if (name === "" || name.includes("/")) {
    throw new GantryError(
      "invalid",
      `"${pod}" is not a pod's name: gantry why NAME, or pod/NAME (-n for the namespace)`,
    );
  }
  const { client, credentials } = await clusterClient(flags.kubeconfig, places);
  try {
    const namespace = flags.namespace ?? credentials.namespace ?? "default";
    const found = (await client.get(RESOURCES.pods, namespace, name, "scheduling")) as unknown as PodScheduling;
    ports.out.write(output === "json" ? `${JSON.stringify(found, undefined, 2)}\n` : describe(ports, found));
    return found.phase === "Placed" ? 0 : 2;
  } catch (error) {
    if (isGantryError(error, "not-found") && /could not find the requested resource/.test(error.message)) {
      throw new GantryError("unsupported", "this cluster's API server is not Gantry's: it cannot say why", {}, error);
    }
    throw error;
  } finally {
    client.close();
  }
}

function describe(ports: CliPorts, found: PodScheduling): string {
  const { bold, dim, green, red } = styleFor(ports.out);
  const name = `${found.metadata.namespace ?? ""}/${found.metadata.name ?? ""}`;
  const phase = found.phase === "Placed" ? green(found.phase) : red(found.phase);
  const tried = found.lastAttempt ? dim(`  (${found.schedulerName}, tried ${found.lastAttempt})`) : "";
  const lines = [`${bold(name)} ${phase}${tried}`, `  ${found.message}`];
  const section = (title: string, rows: readonly (readonly string[])[]): void => {
    if (rows.length > 0) lines.push("", bold(title), ...columns(rows).map((row) => `  ${row}`));
  };
  section(
    "Against the nodes",
    (found.reasons ?? []).map(({ reason, plugin, count, nodes }) => [
      String(count),
      `${reason} (${plugin})`,
      `${nodes.slice(0, 5).join(", ")}${count > 5 ? ", …" : ""}`,
    ]),
  );
  section(
    "Nearest",
    (found.nearest ?? []).map(({ node, reasons }) => [node, reasons.join(", ") || "would fit now"]),
  );
  section(
    "What would let it run (each was tried)",
    (found.remedies ?? []).map(({ nodeName, changes }) => [nodeName, changes.join("; and ")]),
  );
  section("How the best nodes scored", scoreRows(found.scores ?? []));
  return `${lines.join("\n")}\n`;
}

function scoreRows(scores: NonNullable<PodScheduling["scores"]>): string[][] {
  if (scores.length === 0) return [];
  const plugins = Object.keys(scores[0]?.byPlugin ?? {});
  return [
    ["NODE", "TOTAL", ...plugins],
    ...scores.map(({ node, total, byPlugin }) => [
      node,
      String(total),
      ...plugins.map((plugin) => String(byPlugin[plugin] ?? 0)),
    ]),
  ];
}
