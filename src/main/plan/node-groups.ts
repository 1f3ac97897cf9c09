import { GantryError } from "#base/errors.ts";
import type { Taint } from "#formats/kube-types.generated.ts";
import { quantityNumber } from "#formats/quantity.ts";
import type { SimulatedNode } from "#kube-control/simulated-nodes.ts";

const ZONE = "topology.kubernetes.io/zone";
const FORM = "COUNTxCPUcpuMEMORY[,zone=N][,pods=N][,label=KEY=VALUE][,taint=KEY=VALUE:EFFECT]";

/** Reads `500x8cpu32Gi,zone=3` into nodes. `index` tells groups apart in their names. Throws `invalid`, naming the part that is wrong. */
export function readNodeGroup(text: string, index: number): SimulatedNode[] {
  const [size = "", ...options] = text.split(",");
  const match = /^(\d+)x(\d+(?:\.\d+)?m?)cpu(\d+(?:\.\d+)?(?:[EPTGMk]i?|Ki)?)$/.exec(size);
  if (!match) throw wrong(text, `"${size}" is not COUNTxCPUcpuMEMORY, such as 3x8cpu32Gi`);
  const [, count = "", cpu = "", memory = ""] = match;
  const total = Number(count);
  if (total < 1 || total > 100_000) throw wrong(text, `${count} nodes: between 1 and 100000`);
  if (quantityNumber(memory) < 1024 * 1024) throw wrong(text, `${memory} of memory: did you mean ${memory}Gi?`);
  const read = readOptions(text, options);
  return Array.from({ length: total }, (_, number) => ({
    name: `planned-${index + 1}-${number + 1}`,
    labels: { ...read.labels, ...(read.zones > 0 && { [ZONE]: `zone-${(number % read.zones) + 1}` }) },
    taints: read.taints,
    capacity: { cpu, memory, pods: String(read.pods) },
  }));
}

interface GroupOptions {
  zones: number;
  pods: number;
  readonly labels: Record<string, string>;
  readonly taints: Taint[];
}

function readOptions(text: string, options: readonly string[]): GroupOptions {
  const read: GroupOptions = { zones: 0, pods: 110, labels: {}, taints: [] };
  for (const option of options) {
    const [name = "", ...rest] = option.split("=");
    const value = rest.join("=");
    const number = (): number => {
      if (!/^[1-9]\d*$/.test(value)) throw wrong(text, `${name}=${value}: must be a number above 0`);
      return Number(value);
    };
    if (name === "zone") read.zones = number();
    else if (name === "pods") read.pods = number();
    else if (name === "label") {
      const [key = "", label = ""] = value.split("=");
      if (key === "") throw wrong(text, "label needs KEY=VALUE");
      read.labels[key] = label;
    } else if (name === "taint") read.taints.push(readTaint(text, value));
    else throw wrong(text, `unknown option "${name}"`);
  }
  return read;
}

function readTaint(text: string, value: string): Taint {
  const match = /^([^=:]+)(?:=([^:]*))?:(NoSchedule|PreferNoSchedule|NoExecute)$/.exec(value);
  if (!match)
    throw wrong(text, `taint=${value}: must be KEY=VALUE:EFFECT, with NoSchedule, PreferNoSchedule or NoExecute`);
  const [, key = "", own, effect = ""] = match;
  return { key, effect, ...(own !== undefined && { value: own }) };
}

function wrong(text: string, why: string): GantryError {
  return new GantryError("invalid", `--nodes ${text}: ${why} (the form is ${FORM})`);
}
