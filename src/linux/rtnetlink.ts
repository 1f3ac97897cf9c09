/**
 * Links, addresses, routes and neighbours of a network namespace (rtnetlink(7)), one synchronous message each.
 * Refusals are SyscallErrors (ENODEV, EEXIST, ...) with the kernel's own words.
 */
import { AF_INET, AF_INET6 } from "./sockets.ts";
import { isSyscallError } from "./syscalls.ts";
import { u32 } from "./netlink/attributes.ts";
import {
  bridgeInfo,
  decodeLink,
  encodeLink,
  encodeLinkGroup,
  encodeLinkName,
  encodePort,
  vethInfo,
  vxlanInfo,
  type BridgeSettings,
  type Link,
  type LinkSettings,
  type PortSettings,
  type VxlanSettings,
} from "./netlink/links.ts";
import { NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE, type Message, type Request } from "./netlink/message.ts";
import {
  decodeAddress,
  decodeNeighbour,
  decodeRoute,
  encodeAddress,
  encodeNeighbour,
  encodeRoute,
  type Address,
  type ListedRoute,
  type Neighbour,
  type Route,
} from "./netlink/routes.ts";
import * as c from "./netlink/rtnetlink-constants.ts";
import { NETLINK_ROUTE, openNetlink } from "./netlink/socket.ts";

export type {
  BridgeSettings,
  Link,
  LinkSettings,
  LinkStatistics,
  PortSettings,
  VxlanSettings,
} from "./netlink/links.ts";
export type { Address, ListedRoute, Neighbour, Route } from "./netlink/routes.ts";
export { addressBytes, addressText, macBytes, macText } from "./netlink/addresses.ts";

/** Every namespace's loopback link has this index. */
export const LOOPBACK_INDEX = 1;
/** A link's name has at most 15 bytes (IFNAMSIZ less its zero). */
export const LINK_NAME_BYTES = 15;

const RTNETLINK_NEW = NLM_F_CREATE | NLM_F_EXCL;

/** One namespace's tables; made by openRtnetlink. */
export interface Rtnetlink {
  links(): readonly Link[];
  /** By name or index; undefined when there is none. */
  link(link: string | number): Link | undefined;
  addBridge(settings: LinkSettings & { readonly name: string }, bridge?: BridgeSettings): void;
  /** A pair; `peer.netns` puts the other end into another namespace at birth. It cannot be born up. */
  addVeth(settings: LinkSettings & { readonly name: string }, peer: LinkSettings): void;
  addVxlan(settings: LinkSettings & { readonly name: string }, vxlan: VxlanSettings): void;
  setLink(link: number, settings: LinkSettings): void;
  /** A link's options as port of its bridge. */
  setPort(link: number, settings: PortSettings): void;
  /** False when there was none. The kernel takes some 20 ms to forget a link. */
  deleteLink(link: string | number): boolean;
  /** Deletes every link of a group at once, while the thread goes on. */
  deleteGroupLater(group: number): Promise<void>;
  addresses(): readonly Address[];
  addAddress(address: Address): void;
  deleteAddress(address: Address): void;
  routes(): readonly ListedRoute[];
  /** Adds or replaces. `family` is needed for a default route without a gateway. */
  setRoute(route: Route, family?: 4 | 6): void;
  deleteRoute(route: Route, family?: 4 | 6): void;
  neighbours(): readonly Neighbour[];
  setNeighbour(neighbour: Neighbour): void;
  close(): void;
}

/** Opens the namespace that the calling thread is in. */
export function openRtnetlink(): Rtnetlink {
  const socket = openNetlink(NETLINK_ROUTE);
  const run: Run = (type, flags, body, what) => socket.request({ type, flags, body, what });
  const dump: Dump = (type, body, what) => socket.dump({ type, flags: 0, body, what } satisfies Request);
  const setLink = (link: number, settings: LinkSettings): void =>
    void run(c.RTM_NEWLINK, 0, encodeLink(link, settings), `set link ${link}`);
  const link = (wanted: string | number): Link | undefined =>
    unlessMissing(
      () => run(c.RTM_GETLINK, 0, linkBody(wanted), `get link ${wanted}`).map(({ body }) => decodeLink(body))[0],
    );
  const add = (settings: LinkSettings, kind: string, info: readonly Buffer[]): void => {
    run(c.RTM_NEWLINK, RTNETLINK_NEW, encodeLink(0, settings, info), `add ${kind} ${settings.name ?? ""}`);
    // The kernel takes a note only from a link that is there.
    if (settings.alias !== undefined) setLink(link(settings.name ?? "")?.index ?? 0, { alias: settings.alias });
  };
  return {
    links: () => dump(c.RTM_GETLINK, encodeLink(0, {}), "list links").map(({ body }) => decodeLink(body)),
    link,
    addBridge: (settings, bridge = {}) => add(settings, "bridge", [bridgeInfo(bridge)]),
    addVeth: (settings, peer) => add(settings, "veth", [vethInfo(peer)]),
    addVxlan: (settings, vxlan) =>
      add(
        settings,
        "vxlan",
        vxlan.link === undefined ? [vxlanInfo(vxlan)] : [vxlanInfo(vxlan), u32(c.IFLA_LINK, vxlan.link)],
      ),
    setLink,
    setPort: (link, settings) => void run(c.RTM_SETLINK, 0, encodePort(link, settings), `set bridge port ${link}`),
    deleteLink: (link) =>
      unlessMissing(() => run(c.RTM_DELLINK, 0, linkBody(link), `delete link ${link}`)) !== undefined,
    deleteGroupLater,
    ...addressOperations(run, dump),
    close: () => socket.close(),
  };
}

type Run = (type: number, flags: number, body: Buffer, what: string) => readonly Message[];
type Dump = (type: number, body: Buffer, what: string) => readonly Message[];
type AddressOperations = Pick<
  Rtnetlink,
  "addresses" | "addAddress" | "deleteAddress" | "routes" | "setRoute" | "deleteRoute" | "neighbours" | "setNeighbour"
>;

function addressOperations(run: Run, dump: Dump): AddressOperations {
  return {
    addresses: () => dump(c.RTM_GETADDR, Buffer.alloc(8), "list addresses").map(({ body }) => decodeAddress(body)),
    addAddress: (address) =>
      void run(c.RTM_NEWADDR, RTNETLINK_NEW, encodeAddress(address), `add address ${address.address}`),
    deleteAddress: (address) => void run(c.RTM_DELADDR, 0, encodeAddress(address), `delete address ${address.address}`),
    routes: () =>
      [AF_INET, AF_INET6].flatMap((family) =>
        dump(c.RTM_GETROUTE, Buffer.concat([Buffer.of(family), Buffer.alloc(11)]), "list routes").map(({ body }) =>
          decodeRoute(body),
        ),
      ),
    setRoute: (route, family) =>
      void run(
        c.RTM_NEWROUTE,
        NLM_F_CREATE | NLM_F_REPLACE,
        encodeRoute(route, family),
        `set route ${routeText(route)}`,
      ),
    deleteRoute: (route, family) =>
      void run(c.RTM_DELROUTE, 0, encodeRoute(route, family), `delete route ${routeText(route)}`),
    neighbours: () =>
      dump(c.RTM_GETNEIGH, Buffer.alloc(12), "list neighbours").map(({ body }) => decodeNeighbour(body)),
    setNeighbour: (neighbour) =>
      void run(
        c.RTM_NEWNEIGH,
        NLM_F_CREATE | NLM_F_REPLACE,
        encodeNeighbour(neighbour),
        `set neighbour ${neighbour.address}`,
      ),
  };
}

async function deleteGroupLater(group: number): Promise<void> {
  const background = openNetlink(NETLINK_ROUTE);
  try {
    const what = `delete links of group ${group}`;
    await background.requestLater({ type: c.RTM_DELLINK, flags: 0, body: encodeLinkGroup(group), what });
  } catch (error) {
    // The kernel was quicker: their namespaces died.
    if (!isSyscallError(error, "ENODEV")) throw error;
  } finally {
    background.close();
  }
}

function linkBody(link: string | number): Buffer {
  return typeof link === "string" ? encodeLinkName(link) : encodeLink(link, {});
}

function routeText({ destination, gateway }: Route): string {
  const to = destination ? `${destination.address}/${destination.prefixLength}` : "default";
  return gateway === undefined ? to : `${to} via ${gateway}`;
}

function unlessMissing<T>(run: () => T): T | undefined {
  try {
    return run();
  } catch (error) {
    if (!isSyscallError(error, "ENODEV")) throw error;
    return undefined;
  }
}
