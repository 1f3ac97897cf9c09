import type { ResourceRequirements } from "../kube-types.generated.ts";
import { formatQuantity, parseQuantity } from "../quantity.ts";

type List = Record<string, string>;

/** Rounds each amount up to whole thousandths (SetDefaults_ResourceList). */
export function roundResources(list: List | undefined): void {
  for (const [name, text] of Object.entries(list ?? {})) {
    if (!/[nu.e]/.test(text)) continue;
    const { nanos, format } = parseQuantity(text);
    const step = 1_000_000n;
    const rest = nanos % step;
    if (rest === 0n || !list) continue;
    list[name] = formatQuantity({ nanos: nanos - rest + (nanos < 0n ? -step : step), format });
  }
}

export function roundRequirements(resources: ResourceRequirements | undefined): void {
  roundResources(resources?.limits);
  roundResources(resources?.requests);
}

/** Entries of `from` that `to` does not have; the result is `to`, or a new list when there is something to add. */
export function fillResources(to: List | undefined, from: List | undefined): List | undefined {
  const missing = Object.entries(from ?? {}).filter(([name]) => !to || !Object.hasOwn(to, name));
  return missing.length > 0 ? { ...to, ...Object.fromEntries(missing) } : to;
}
