import type { HostPort, PodInfo } from "./pod-info.ts";

/** Host ports in use, for the few nodes that have some. */
export interface PortTable {
  add(row: number, pod: PodInfo): void;
  remove(row: number, pod: PodInfo): void;
  /** True when one of `ports` is taken on the node. An address of all addresses collides with every one. */
  conflict(row: number, ports: readonly HostPort[]): boolean;
}

const ANY = "0.0.0.0";

/** Makes an empty table. */
export function portTable(): PortTable {
  /** By row, by `protocol/port`: how often each address uses it. */
  const used = new Map<number, Map<string, Map<string, number>>>();
  const name = (port: HostPort): string => `${port.protocol}/${port.port}`;
  return {
    add(row, pod) {
      for (const port of pod.hostPorts) {
        const ports = getOrMake(used, row, () => new Map<string, Map<string, number>>());
        const addresses = getOrMake(ports, name(port), () => new Map<string, number>());
        addresses.set(port.ip, (addresses.get(port.ip) ?? 0) + 1);
      }
    },
    remove(row, pod) {
      const ports = used.get(row);
      for (const port of pod.hostPorts) {
        const addresses = ports?.get(name(port));
        const count = (addresses?.get(port.ip) ?? 0) - 1;
        if (count > 0) addresses?.set(port.ip, count);
        else addresses?.delete(port.ip);
        if (addresses?.size === 0) ports?.delete(name(port));
      }
      if (ports?.size === 0) used.delete(row);
    },
    conflict(row, ports) {
      const taken = used.get(row);
      if (!taken) return false;
      return ports.some((port) => {
        const addresses = taken.get(name(port));
        return addresses !== undefined && (port.ip === ANY || addresses.has(port.ip) || addresses.has(ANY));
      });
    },
  };
}

function getOrMake<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made = make();
  map.set(key, made);
  return made;
}
