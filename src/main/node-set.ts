import { GantryError } from "#base/errors.ts";
import type { Logger } from "#base/logger.ts";
import { keyedSerial } from "#base/serial.ts";
import { RESOURCES } from "#formats/kube-resources.ts";
import type { NodeAddition, NodeInfo } from "#cli/ports.ts";
import { isGantryError } from "#base/errors.ts";
import type { ContainerSide } from "./container-side.ts";
import type { ControlPlane } from "./control-plane.ts";
import { checkNodeName } from "./node-options.ts";
import { freeIndex, nodeRanges, type NodeRecord, type NodeRecords, type NodeWish } from "./node-records.ts";
import { endContainers, removeContainers, startFurtherNode, type FurtherNode } from "./further-node.ts";
import { startNode, type NodeSide, type NodeSideOptions } from "./node-side.ts";
import { nodeStreamsOf } from "./node-streams.ts";
import type { Ranges } from "./ranges.ts";

export interface NodeSetOptions {
  readonly containers: ContainerSide;
  readonly control: ControlPlane;
  readonly records: NodeRecords;
  readonly ranges: Ranges;
  /** Of the machine's own node; further ones differ in name, addresses and places. */
  readonly own: NodeSideOptions;
  readonly ownPodNetwork: string;
  /** Of the bridge between the machine and its further nodes. */
  readonly nodeBridge: string;
  readonly logger: Logger;
}

/** All nodes on this machine: its own, and further ones that have a network namespace each. */
export interface NodeSet {
  readonly own: NodeSide;
  readonly streams: ReturnType<typeof nodeStreamsOf>;
  list(): readonly NodeInfo[];
  /** Makes a node; resolves when it is Ready. */
  add(addition: NodeAddition): Promise<void>;
  /** Plugs in and switches on again. */
  start(name: string): Promise<void>;
  /** Switches it off, as a machine whose power fails: its containers end at once. */
  stop(name: string): Promise<void>;
  /** Pulls its cable: its containers run on, and nobody reaches it. */
  partition(name: string): Promise<void>;
  /** Takes it and everything on it away, also from the cluster. */
  remove(name: string): Promise<void>;
  /** Ends the pods of all nodes in good order. Before `close`. */
  shutDown(): Promise<void>;
  close(keep: { readonly services: boolean }): void;
  /** After `close`, when no pod runs any more: what was made on the host for the nodes leaves it. */
  dismantle(): Promise<void>;
}

/** Starts the machine's own node and those that are written down, all at once. */
export async function startNodes(options: NodeSetOptions): Promise<NodeSet> {
  const { containers, control, records } = options;
  const own = { ...options.own, sharedBy: () => records.all().length + 1 };
  const parts: Parts = { ...options, own, running: new Map(), share: () => undefined };
  const [side] = await Promise.all([
    startNode(containers, control, options.ownPodNetwork, own),
    ...records.all().map((record) => (record.wish === "stopped" ? holdDown(parts, record) : begin(parts, record))),
  ]);
  const { running } = parts;
  parts.share = () => {
    side.kubelet.report();
    for (const { kubelet } of running.values()) kubelet.report();
  };
  return {
    own: side,
    streams: nodeStreamsOf((name) => {
      if (name === own.name) return side.kubelet.streams;
      const node = running.get(name);
      return node?.isCut ? undefined : node?.kubelet.streams;
    }),
    list: () => [
      { name: own.name, ip: own.ip, podCidr: rangesText(own), state: "running", isOwn: true },
      ...records.all().map(({ name, index, wish }) => {
        const ranges = nodeRanges(options.ranges, index);
        return { name, ip: ranges.ip, podCidr: rangesText(ranges), state: wish, isOwn: false };
      }),
    ],
    ...verbs(parts),
    async shutDown() {
      await Promise.all([side, ...running.values()].map(({ kubelet }) => kubelet.shutDown()));
    },
    close(keep) {
      side.close(keep);
      for (const node of running.values()) node.close(keep);
    },
    async dismantle() {
      await side.kubelet.unmountVolumes();
      for (const { kubelet } of running.values()) await kubelet.unmountVolumes();
      for (const { name } of records.all()) await containers.nodes.disconnect(name);
    },
  };
}

/** `10.244.0.0/24`, with two families `10.244.0.0/24,fd00:10:244::/64`. */
function rangesText({ podCidr, podCidr6 }: Pick<NodeSideOptions, "podCidr" | "podCidr6">): string {
  return podCidr6 === undefined ? podCidr : `${podCidr},${podCidr6}`;
}

interface Parts extends NodeSetOptions {
  readonly running: Map<string, FurtherNode>;
  /** Every node tells what it has now: there are more or fewer of them. */
  share: () => void;
}

/** What can be done to a further node, one thing at a time. */
function verbs(parts: Parts): Pick<NodeSet, "add" | "start" | "stop" | "partition" | "remove"> {
  const serial = keyedSerial();
  const inTurn = (run: () => Promise<void>): Promise<void> => serial.run("nodes", run);
  return {
    add: (addition) => inTurn(() => addNode(parts, addition)),
    start: (name) => inTurn(() => become(parts, name, "running")),
    stop: (name) => inTurn(() => become(parts, name, "stopped")),
    partition: (name) => inTurn(() => become(parts, name, "partitioned")),
    remove: (name) => inTurn(() => removeNode(parts, name)),
  };
}

async function begin(parts: Parts, record: NodeRecord): Promise<void> {
  parts.running.set(record.name, await startFurtherNode(parts, record));
}

function recordOf({ records, own }: Parts, name: string): NodeRecord {
  const found = records.all().find((record) => record.name === name);
  if (found) return found;
  if (name === own.name)
    throw new GantryError(
      "unsupported",
      `node ${name} is the machine itself, with the API server on it: only the nodes that were added can be stopped, partitioned or removed`,
    );
  throw new GantryError("not-found", `node ${name} not found`);
}

async function addNode(parts: Parts, { name, labels, taints }: NodeAddition): Promise<void> {
  const { records, ranges, own } = parts;
  checkNodeName(name);
  if (name === own.name || records.all().some((record) => record.name === name))
    throw new GantryError("already-exists", `node ${name} already exists`);
  const record: NodeRecord = { name, index: freeIndex(records.all()), labels, taints, wish: "running" };
  // Before it is written down: the ranges may have no room for it.
  nodeRanges(ranges, record.index);
  records.put(record);
  await begin(parts, record);
  parts.share();
}

async function become(parts: Parts, name: string, wish: NodeWish): Promise<void> {
  const { containers, records, running } = parts;
  const record = recordOf(parts, name);
  if (wish === "stopped") await powerOff(parts, name);
  else {
    containers.nodes.setCut(name, wish === "partitioned");
    const node = running.get(name);
    if (node) node.setCut(wish === "partitioned");
    else await begin(parts, { ...record, wish });
  }
  records.put({ ...record, wish });
}

async function powerOff({ containers, running }: Parts, name: string): Promise<void> {
  running.get(name)?.close({ services: true });
  running.delete(name);
  await endContainers(containers, name);
  containers.nodes.setCut(name, true);
}

async function removeNode(parts: Parts, name: string): Promise<void> {
  const { containers, records, running } = parts;
  recordOf(parts, name);
  const node = running.get(name);
  await powerOff(parts, name);
  await removeContainers(containers, name);
  await node?.kubelet.unmountVolumes();
  await containers.nodes.disconnect(name);
  await containers.nodes.remove(name);
  records.delete(name);
  await deleteNode(parts.control, name);
  parts.share();
}

/** A node that was switched off before this start stays so: it is there, without a cable. */
async function holdDown({ containers }: NodeSetOptions, { name }: NodeRecord): Promise<void> {
  await containers.nodes.open(name);
  containers.nodes.setCut(name, true);
}

/** Its pods go at once: nothing of them is left, so nobody has to wait for their garbage collection. */
async function deleteNode({ client }: ControlPlane, name: string): Promise<void> {
  const absent = (error: unknown): void => {
    if (!isGantryError(error, "not-found")) throw error;
  };
  await client.delete(RESOURCES.nodes, undefined, name).catch(absent);
  await client.delete(RESOURCES.leases, "kube-node-lease", name).catch(absent);
  const { items } = await client.list(RESOURCES.pods, { fieldSelector: `spec.nodeName=${name}` });
  for (const { metadata } of items)
    await client
      .delete(RESOURCES.pods, metadata.namespace, metadata.name ?? "", { gracePeriodSeconds: 0 })
      .catch(absent);
}
