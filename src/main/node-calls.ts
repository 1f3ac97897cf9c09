import { GantryError } from "#base/errors.ts";
import { parseLabels, parseTaints } from "./node-options.ts";
import type { NodeSet } from "./node-set.ts";

/** What `gantry node` asks of a running Gantry. GET: the list; POST with `verb` and `name`: resolves when it is done. */
export async function nodeCall(nodes: NodeSet | undefined, method: string, query: URLSearchParams): Promise<string> {
  if (!nodes)
    throw new GantryError("unsupported", "this Gantry runs without Kubernetes (--no-kubernetes): it has no nodes");
  if (method === "GET") return JSON.stringify(nodes.list());
  const verb = query.get("verb") ?? "";
  const name = query.get("name") ?? "";
  const labels = parseLabels(query.get("labels") ?? "");
  const taints = parseTaints(query.get("taints") ?? "");
  if (verb === "add") await nodes.add({ name, labels, taints });
  else if (verb === "start" || verb === "stop" || verb === "partition" || verb === "remove") await nodes[verb](name);
  else throw new GantryError("unsupported", `nodes have no verb "${verb}"`);
  return "done";
}
