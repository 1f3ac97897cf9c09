import { createHash } from "node:crypto";
import type { LaunchPlan, Step } from "#linux/launch-plan.ts";

/** A plan for people: one step a line, with its arguments by name; long bytes as their length and hash. */
export function planText({ steps }: LaunchPlan): string {
  return steps.map((step) => `${stepText(step)}\n`).join("");
}

function stepText({ step, ...args }: Step): string {
  return [step, ...Object.entries(args).map(([name, value]) => `${name}=${valueText(name, value)}`)].join(" ");
}

/** Fields that hold bits, or file modes. */
const HEXADECIMAL: ReadonlySet<string> = new Set(
  "namespaces namespace attributes set clear setBelow clearBelow propagation flags keep effective permitted inheritable ambient".split(
    " ",
  ),
);
const OCTAL: ReadonlySet<string> = new Set(["mode", "mask"]);

function valueText(name: string, value: unknown): string {
  if (value instanceof Uint8Array)
    return `${value.length}:${createHash("sha256").update(value).digest("hex").slice(0, 16)}`;
  if (typeof value === "number" || typeof value === "bigint") {
    if (HEXADECIMAL.has(name)) return `0x${value.toString(16)}`;
    return OCTAL.has(name) ? `0${value.toString(8)}` : String(value);
  }
  return JSON.stringify(value);
}
