// `service.kubernetes.io/topology-mode: Auto`: each zone is given endpoints in proportion to its processors (k8s.io/endpointslice topologycache).
import type { Endpoint, Node, Service } from "#formats/kube-types.generated.ts";
import { quantityMillis } from "#formats/quantity.ts";
import type { PortGroup } from "./desired.ts";

const ZONE_LABEL = "topology.kubernetes.io/zone";
const CONTROL_PLANE = ["node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master"];
/** How much more than its share a zone's endpoints may have to bear. */
const OVERLOAD = 0.2;

export function wantsTopologyHints({ metadata: { annotations = {} } }: Service): boolean {
  const mode =
    annotations["service.kubernetes.io/topology-aware-hints"] ?? annotations["service.kubernetes.io/topology-mode"];
  return mode === "Auto" || mode === "auto";
}

/** Each zone's share of the processors; undefined when a node does not tell, or there is one zone only. */
export function zoneShares(nodes: Iterable<Node>): ReadonlyMap<string, number> | undefined {
  const cpus = new Map<string, number>();
  for (const { metadata, status } of nodes) {
    const labels = metadata.labels ?? {};
    if (CONTROL_PLANE.some((label) => label in labels)) continue;
    if (!status?.conditions?.some(({ type, status: is }) => type === "Ready" && is === "True")) continue;
    const zone = labels[ZONE_LABEL];
    const cpu = quantityMillis(status.allocatable?.["cpu"]);
    if (zone === undefined || cpu === 0) return undefined;
    cpus.set(zone, (cpus.get(zone) ?? 0) + cpu);
  }
  if (cpus.size < 2) return undefined;
  const total = Array.from(cpus.values()).reduce((sum, cpu) => sum + cpu, 0);
  return new Map(Array.from(cpus, ([zone, cpu]) => [zone, cpu / total]));
}

export interface HintedGroups {
  readonly groups: PortGroup[];
  /** By address type: why the endpoints have no zones, in Kubernetes' words; undefined where they have. */
  readonly problems: ReadonlyMap<string, string | undefined>;
}

/** Pure: the groups with a zone for each ready endpoint; without any when the endpoints cannot be shared out fairly. */
export function withTopologyHints(
  groups: readonly PortGroup[],
  shares: ReadonlyMap<string, number> | undefined,
): HintedGroups {
  const problems = new Map<string, string | undefined>();
  const hinted = groups.map((group) => {
    const ready = Array.from(group.endpoints).filter(([, { conditions }]) => conditions?.ready !== false);
    const shared = shareOut(ready, shares);
    const zones = shared.kind === "shared" ? shared.zones : undefined;
    problems.set(group.addressType, shared.kind === "shared" ? problems.get(group.addressType) : shared.problem);
    const endpoints = new Map(
      Array.from(group.endpoints, ([uid, endpoint]): [string, Endpoint] => {
        const zone = zones?.get(uid);
        const { hints: replaced, ...plain } = endpoint;
        if (zone === undefined) return [uid, replaced ? plain : endpoint];
        return [uid, { ...plain, hints: { forZones: [{ name: zone }] } }];
      }),
    );
    return { ...group, endpoints };
  });
  return { groups: hinted, problems };
}

type Shared =
  | { readonly kind: "shared"; readonly zones: ReadonlyMap<string, string> }
  | { readonly kind: "not-shared"; readonly problem: string };

const notShared = (problem: string): Shared => ({ kind: "not-shared", problem });

function shareOut(
  ready: readonly (readonly [string, Endpoint])[],
  shares: ReadonlyMap<string, number> | undefined,
): Shared {
  if (!shares)
    return notShared("Insufficient Node information: allocatable CPU or zone not specified on one or more nodes");
  const count = ready.length;
  const counts = `(${count} endpoints, ${shares.size} zones)`;
  const minimum = new Map(Array.from(shares, ([zone, share]) => [zone, Math.ceil((share * count) / (1 + OVERLOAD))]));
  const least = Array.from(minimum.values()).reduce((sum, each) => sum + each, 0);
  if (shares.size > count) return notShared(`Insufficient number of endpoints ${counts}`);
  if (least > count)
    return notShared(
      `Unable to allocate minimum required endpoints to each zone without exceeding overload threshold ${counts}`,
    );
  const members = new Map<string, string[]>(Array.from(shares.keys(), (zone) => [zone, []]));
  for (const [uid, { zone }] of ready) {
    if (zone === undefined) return notShared("One or more endpoints do not have a zone specified");
    members.set(zone, [...(members.get(zone) ?? []), uid]);
  }
  for (const [zone, needed] of minimum) fill(zone, needed, members, (giver) => (shares.get(giver) ?? 0) * count);
  const zones = new Map(
    Array.from(members).flatMap(([zone, uids]) => uids.map((uid): [string, string] => [uid, zone])),
  );
  return { kind: "shared", zones };
}

/** Moves endpoints to a zone that has fewer than it needs, out of those that have more than their share: the richest first. */
function fill(zone: string, needed: number, members: Map<string, string[]>, desired: (zone: string) => number): void {
  const own = members.get(zone) ?? [];
  while (own.length < needed) {
    const [richest] = Array.from(members)
      .filter(([giver, uids]) => giver !== zone && uids.length - desired(giver) >= 1)
      .toSorted(([a, left], [b, right]) => right.length - desired(b) - (left.length - desired(a)));
    const moved = richest?.[1].pop();
    if (moved === undefined) return;
    own.push(moved);
  }
}
