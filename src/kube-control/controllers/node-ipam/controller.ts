import { objectKey } from "#formats/kube-object.ts";
import { RESOURCES } from "#formats/kube-resources.ts";
import type { Node } from "#formats/kube-types.generated.ts";
import { controller, enqueueFrom, informerOf, type Controller, type ControllerContext } from "../shared/controller.ts";

/** The range that nodes' pods get their addresses from. */
export interface ClusterCidr {
  /** IPv4, `10.244.0.0/16`. */
  readonly cidr: string;
  /** Prefix length of a node's part. */
  readonly nodeMaskBits: number;
}

/** Gives each node without one a part of the cluster's pod range (spec.podCIDR). One worker: two nodes never get the same. */
export function nodeIpamController(context: ControllerContext, range: ClusterCidr): Controller {
  const nodes = informerOf(context, RESOURCES.nodes);
  const events = context.events("cidrAllocator");
  /** Given, but perhaps not to be seen in the cache yet: by node. */
  const given = new Map<string, string>();
  return controller(context, {
    name: "node-ipam-controller",
    workers: 1,
    async reconcile(key) {
      const node = nodes.cache.get(key);
      if (!node) return void given.delete(key);
      if (node.spec?.podCIDR) return void given.delete(key);
      const taken = new Set([
        ...given.values(),
        ...Array.from(nodes.cache.values()).flatMap(({ spec }) => spec?.podCIDRs ?? spec?.podCIDR ?? []),
      ]);
      const free = given.get(key) ?? firstFree(range, taken);
      if (free === undefined) {
        events.record(node, "Normal", "CIDRNotAvailable", `Node ${key} status is now: CIDRNotAvailable`);
        return;
      }
      given.set(key, free);
      const { uid, resourceVersion } = node.metadata;
      const body = { metadata: { uid, resourceVersion }, spec: { podCIDR: free, podCIDRs: [free] } };
      await context.client.patch(RESOURCES.nodes, undefined, key, { type: "merge", body });
    },
    allKeys: () => Array.from(nodes.cache.values(), objectKey),
    watch: (queue) => [
      enqueueFrom(
        nodes,
        queue,
        (node: Node) => [objectKey(node)],
        (before, after) => before.spec?.podCIDR !== after.spec?.podCIDR,
      ),
    ],
  });
}

function firstFree({ cidr, nodeMaskBits }: ClusterCidr, taken: ReadonlySet<string>): string | undefined {
  const [address = "", bits = "0"] = cidr.split("/");
  const base = address.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
  const size = 2 ** (32 - nodeMaskBits);
  for (let index = 0; index < 2 ** (nodeMaskBits - Number(bits)); index++) {
    const start = base + index * size;
    const text = [24, 16, 8, 0].map((shift) => Math.floor(start / 2 ** shift) % 256).join(".");
    if (!taken.has(`${text}/${nodeMaskBits}`)) return `${text}/${nodeMaskBits}`;
  }
  return undefined;
}
