import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";
import { GantryError } from "#base/errors.ts";
import { addressIn } from "./addresses.ts";
import type { Ranges } from "./ranges.ts";

export interface NodeTaint {
  readonly key: string;
  readonly value?: string;
  readonly effect: string;
}

/** What somebody wants a further node to be: running, switched off, or with its cable pulled. */
export type NodeWish = "running" | "stopped" | "partitioned";

/** A node besides the machine's own, as it is written down. */
export interface NodeRecord {
  readonly name: string;
  /** 2 for the first one besides the machine's own: its place in the ranges of nodes and pods, for good. */
  readonly index: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly taints: readonly NodeTaint[];
  readonly wish: NodeWish;
}

export interface NodeRecords {
  all(): readonly NodeRecord[];
  /** Adds, or replaces the one of this name. */
  put(record: NodeRecord): void;
  delete(name: string): void;
}

/** One machine holds at most so many nodes. */
export const MOST_NODES = 50;

/** Further nodes in `<dataDir>/nodes/nodes.json`, on disk before a call returns. */
export function nodeRecords(dataDir: string): NodeRecords {
  const file = join(dataDir, "nodes", "nodes.json");
  let records = existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as { nodes: NodeRecord[] }).nodes : [];
  const keep = (next: NodeRecord[]): void => {
    writeDurably(file, `${JSON.stringify({ version: 1, nodes: next })}\n`);
    records = next;
  };
  return {
    all: () => records,
    put: (record) =>
      keep([...records.filter(({ name }) => name !== record.name), record].toSorted((a, b) => a.index - b.index)),
    delete: (name) => keep(records.filter((record) => record.name !== name)),
  };
}

function writeDurably(file: string, text: string): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const fd = openSync(`${file}.new`, "w", 0o600);
  try {
    writeSync(fd, text);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(`${file}.new`, file);
}

/** Pure: the lowest free place. Throws `too-many-requests` when there is none. */
export function freeIndex(records: readonly NodeRecord[]): number {
  const taken = new Set(records.map(({ index }) => index));
  for (let index = 2; index <= MOST_NODES; index++) if (!taken.has(index)) return index;
  throw new GantryError("too-many-requests", `a machine holds at most ${MOST_NODES} nodes`);
}

/**
 * Pure: the addresses of the node at a place. Each has a /24 of the pods' range; of a range too small to be shared so, the first node
 * has all, and there can be no other: `invalid`.
 */
export function nodeRanges(ranges: Ranges, index: number): NodeRanges {
  return { ...ipv4Ranges(ranges, index), ...ipv6Ranges(ranges, index) };
}

export interface NodeRanges {
  readonly podCidr: string;
  readonly ip: string;
  /** With two families. */
  readonly podCidr6?: string;
  readonly ip6?: string;
}

/** Of IPv6 each has a /64. */
function ipv6Ranges({ podCidr6, nodeCidr6 }: Ranges, index: number): Pick<NodeRanges, "podCidr6" | "ip6"> {
  if (podCidr6 === undefined || nodeCidr6 === undefined) return {};
  const bits = Number(podCidr6.split("/")[1]);
  const ip6 = addressIn(nodeCidr6, index);
  if (bits >= 64) {
    if (index === 1) return { podCidr6, ip6 };
    throw new GantryError(
      "invalid",
      `the pods' range ${podCidr6} is too small for several nodes: each has a /64 of --pod-cidr`,
    );
  }
  if (index > 2 ** (64 - bits))
    throw new GantryError("invalid", `the pods' range ${podCidr6} has no /64 left for a further node`);
  return { podCidr6: `${addressIn(podCidr6, BigInt(index - 1) << 64n)}/64`, ip6 };
}

function ipv4Ranges(ranges: Ranges, index: number): Pick<NodeRanges, "podCidr" | "ip"> {
  const bits = Number(ranges.podCidr.split("/")[1]);
  const ip = addressIn(ranges.nodeCidr, index);
  if (bits > 23) {
    if (index === 1) return { podCidr: ranges.podCidr, ip };
    throw new GantryError(
      "invalid",
      `the pods' range ${ranges.podCidr} is too small for several nodes: each has a /24 of --pod-cidr`,
    );
  }
  if (index > 2 ** (24 - bits))
    throw new GantryError("invalid", `the pods' range ${ranges.podCidr} has no /24 left for a further node`);
  return { podCidr: `${addressIn(ranges.podCidr, (index - 1) * 256)}/24`, ip };
}
