import { readFileSync } from "node:fs";
import { errorText, GantryError } from "#base/errors.ts";
import type { OciResources } from "#formats/oci-spec.ts";
import { openContainer, runningProcess, writeState } from "./container.ts";
import type { RuntimeContext } from "./context.ts";
import type { Flags, FlagTable } from "./options.ts";

export const UPDATE_FLAGS: FlagTable = {
  resources: "text",
  "blkio-weight": "text",
  "cpu-period": "text",
  "cpu-quota": "text",
  "cpu-burst": "text",
  "cpu-share": "text",
  "cpu-rt-period": "text",
  "cpu-rt-runtime": "text",
  "cpuset-cpus": "text",
  "cpuset-mems": "text",
  "cpu-idle": "text",
  "kernel-memory": "text",
  "kernel-memory-tcp": "text",
  memory: "text",
  "memory-reservation": "text",
  "memory-swap": "text",
  "pids-limit": "text",
  "l3-cache-schema": "text",
  "mem-bw-schema": "text",
};

/** `update`: new limits of a container, from a file (`-` is the standard input) or flags. */
export function updateCommand(context: RuntimeContext, flags: Flags, id: string): void {
  for (const flag of ["l3-cache-schema", "mem-bw-schema"])
    if (flags.text(flag)) throw new GantryError("unsupported", `--${flag} is not supported`, { flag });
  const container = openContainer(context.root, id);
  runningProcess(container);
  const change = changeOf(flags);
  // Devices are not what update is for: those of the specification stay.
  const { devices: _devices, ...limits } = change;
  container.cgroup.apply(limits);
  const { state } = container;
  const resources = merged(state.spec.linux?.resources ?? {}, limits);
  writeState(container.directory, { ...state, spec: { ...state.spec, linux: { ...state.spec.linux, resources } } });
}

function changeOf(flags: Flags): OciResources {
  const file = flags.text("resources");
  if (file !== undefined) {
    try {
      return JSON.parse(readFileSync(file === "-" ? 0 : file, "utf8")) as OciResources;
    } catch (error) {
      throw new GantryError("invalid", `${file}: ${errorText(error)}`, { file }, error);
    }
  }
  const bytes = (name: string): number | undefined => sizeOf(flags.text(name), name);
  const pick = <T extends object>(fields: T): Partial<T> =>
    Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined && value !== "")) as Partial<T>;
  const memory = pick({
    limit: bytes("memory"),
    reservation: bytes("memory-reservation"),
    swap: bytes("memory-swap"),
    kernel: bytes("kernel-memory"),
    kernelTCP: bytes("kernel-memory-tcp"),
  });
  const cpu = pick({
    shares: flags.number("cpu-share"),
    quota: flags.number("cpu-quota"),
    burst: flags.number("cpu-burst"),
    period: flags.number("cpu-period"),
    realtimeRuntime: flags.number("cpu-rt-runtime"),
    realtimePeriod: flags.number("cpu-rt-period"),
    cpus: flags.text("cpuset-cpus"),
    mems: flags.text("cpuset-mems"),
    idle: flags.number("cpu-idle"),
  });
  const [pids, weight] = [flags.number("pids-limit"), flags.number("blkio-weight")];
  return {
    ...(Object.keys(memory).length > 0 && { memory }),
    ...(Object.keys(cpu).length > 0 && { cpu }),
    ...(pids !== undefined && { pids: { limit: pids } }),
    ...(weight !== undefined && { blockIO: { weight } }),
  };
}

/** "64m", "1g", "-1": docker/go-units, RAMInBytes. */
function sizeOf(text: string | undefined, flag: string): number | undefined {
  if (text === undefined || text === "") return undefined;
  const [, number, unit = ""] = /^(-?\d+(?:\.\d+)?) ?([kmgtp]?)(?:i?b)?$/i.exec(text) ?? [];
  if (number === undefined)
    throw new GantryError("invalid", `invalid value for ${flag}: invalid size: '${text}'`, { flag });
  return Math.trunc(Number(number) * 1024 ** ("kmgtp".indexOf(unit.toLowerCase() || "-") + 1));
}

function merged(old: OciResources, change: OciResources): OciResources {
  return {
    ...old,
    ...change,
    ...(change.memory && { memory: { ...old.memory, ...change.memory } }),
    ...(change.cpu && { cpu: { ...old.cpu, ...change.cpu } }),
    ...(change.blockIO && { blockIO: { ...old.blockIO, ...change.blockIO } }),
  };
}
