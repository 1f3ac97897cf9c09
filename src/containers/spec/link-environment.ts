/** The variables that a legacy link puts into a container: addresses, ports and environment of the other one (moby, daemon/links). Pure. */

export interface LinkedContainer {
  /** The container that has the link, and the other's name in it. */
  readonly name: string;
  readonly alias: string;
  readonly address: string;
  /** `80/tcp`, in any order. */
  readonly ports: readonly string[];
  readonly env: readonly string[];
}

interface Port {
  readonly number: number;
  readonly protocol: string;
}

export function linkEnvironment({ name, alias, address, ports: texts, env }: LinkedContainer): string[] {
  const prefix = alias.toUpperCase().replaceAll("-", "_");
  const ports = texts.map(parsePort).toSorted(byNumber);
  const [first] = ports;
  const url = ({ protocol, number }: Port): string => `${protocol}://${address}:${number}`;
  const key = ({ protocol, number }: Port): string => `${prefix}_PORT_${number}_${protocol.toUpperCase()}`;
  return [
    ...(first ? [`${prefix}_PORT=${url(first)}`] : []),
    ...runsOf(ports).flatMap(([start, end]) => [
      `${key(start)}_START=${url(start)}`,
      `${key(start)}_ADDR=${address}`,
      `${key(start)}_PROTO=${start.protocol}`,
      `${key(start)}_PORT_START=${start.number}`,
      `${key(end)}_END=${url(end)}`,
      `${key(end)}_PORT_END=${end.number}`,
    ]),
    ...ports.flatMap((port) => [
      `${key(port)}=${url(port)}`,
      `${key(port)}_ADDR=${address}`,
      `${key(port)}_PORT=${port.number}`,
      `${key(port)}_PROTO=${port.protocol}`,
    ]),
    `${prefix}_NAME=/${name}/${alias}`,
    ...env.filter((each) => /^(?!HOME=|PATH=)[^=]+=/.test(each)).map((each) => `${prefix}_ENV_${each}`),
  ];
}

function parsePort(text: string): Port {
  const [number = "", protocol = "tcp"] = text.split("/");
  return { number: Number(number), protocol };
}

/** By number, tcp before udp. */
const byNumber = (a: Port, b: Port): number => a.number - b.number || a.protocol.localeCompare(b.protocol);

/** Ports that follow each other, three or more of them: the first and the last. */
function runsOf(ports: readonly Port[]): (readonly [Port, Port])[] {
  const runs: (readonly [Port, Port])[] = [];
  let from = 0;
  ports.forEach((port, index) => {
    const next = ports[index + 1];
    if (next?.number === port.number + 1 && next.protocol === port.protocol) return;
    const start = ports[from];
    if (start && index > from + 1) runs.push([start, port]);
    from = index + 1;
  });
  return runs;
}
