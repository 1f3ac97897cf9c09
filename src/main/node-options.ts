import { GantryError } from "#base/errors.ts";
import type { NodeTaint } from "./node-records.ts";

/** A node's name is a DNS subdomain; here of at most 50 characters, as files and links are named after it. */
export function checkNodeName(name: string): void {
  if (name.length <= 50 && /^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/.test(name)) return;
  throw new GantryError(
    "invalid",
    `"${name}" is no name for a node: lower case letters, digits, '-' and '.', at most 50 characters`,
  );
}

/** Pure: `zone=a,disk=ssd`, as the kubelet's --node-labels. Throws `invalid`. */
export function parseLabels(text: string): Record<string, string> {
  const labels: Record<string, string> = {};
  for (const pair of text.split(",").filter((part) => part !== "")) {
    const [key = "", ...rest] = pair.split("=");
    const value = rest.join("=");
    if (!/^([a-z0-9.-]+\/)?[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?$/.test(key) || rest.length === 0)
      throw new GantryError("invalid", `"${pair}" is no label: key=value`);
    if (!/^([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?$/.test(value))
      throw new GantryError("invalid", `"${value}" is no value for the label ${key}`);
    labels[key] = value;
  }
  return labels;
}

/** Pure: `key=value:NoSchedule,other:NoExecute`, as the kubelet's --register-with-taints. Throws `invalid`. */
export function parseTaints(text: string): NodeTaint[] {
  return text
    .split(",")
    .filter((part) => part !== "")
    .map((part) => {
      const match = /^([^=:]+)(?:=([^:]*))?:(NoSchedule|PreferNoSchedule|NoExecute)$/.exec(part);
      if (!match)
        throw new GantryError(
          "invalid",
          `"${part}" is no taint: key=value:NoSchedule (or PreferNoSchedule, NoExecute)`,
        );
      const [, key = "", value, effect = ""] = match;
      return { key, ...(value === undefined ? {} : { value }), effect };
    });
}
