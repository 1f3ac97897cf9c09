/** Link messages (struct ifinfomsg and IFLA_ attributes). Pure. */
import { attributeMap, attribute, decodeText, flag, nested, text, u32, u8, type Attribute } from "./attributes.ts";
import { addressBytes, macBytes, macText } from "./addresses.ts";
import * as c from "./rtnetlink-constants.ts";

const IFINFOMSG_BYTES = 16;

/** What can be said of a link when it is made or changed. */
export interface LinkSettings {
  readonly name?: string;
  readonly up?: boolean;
  readonly mtu?: number;
  readonly mac?: string;
  /** Index of the bridge it is a port of; 0: of none. */
  readonly master?: number;
  /** A free number by which rules match many links. */
  readonly group?: number;
  /** A descriptor of, or a process in, the namespace the link goes to. */
  readonly netns?: { readonly fd: number } | { readonly pid: number };
  /** A note (at most 255 bytes) that `ip link` shows. */
  readonly alias?: string;
}

export interface BridgeSettings {
  readonly multicastSnooping?: boolean;
}

export interface PortSettings {
  /** Frames may go out where they came in. */
  readonly hairpin?: boolean;
  /** No frames between ports that are isolated. */
  readonly isolated?: boolean;
  /** No frames in or out any more, and what the bridge learned of the port is forgotten. */
  readonly closed?: true;
}

export interface VxlanSettings {
  readonly id: number;
  readonly port: number;
  readonly local?: string;
  /** Index of the link that carries it. */
  readonly link?: number;
}

export interface LinkStatistics {
  readonly receivedBytes: number;
  readonly receivedPackets: number;
  readonly receiveErrors: number;
  readonly receiveDropped: number;
  readonly sentBytes: number;
  readonly sentPackets: number;
  readonly sendErrors: number;
  readonly sendDropped: number;
}

export interface Link {
  readonly index: number;
  readonly name: string;
  /** "bridge", "veth", ...; "" for hardware. */
  readonly kind: string;
  readonly up: boolean;
  readonly running: boolean;
  readonly mtu: number;
  readonly mac: string;
  /** 0: none. */
  readonly master: number;
  readonly group: number;
  /** A veth's other end, in whatever namespace. 0: none. */
  readonly peer: number;
  readonly alias: string;
  readonly statistics: LinkStatistics | undefined;
}

/** struct ifinfomsg and the settings. */
export function encodeLink(index: number, settings: LinkSettings, more: readonly Attribute[] = []): Buffer {
  const head = linkHead(c.AF_UNSPEC, index);
  if (settings.up !== undefined) {
    head.writeUInt32LE(settings.up ? c.IFF_UP : 0, 8);
    head.writeUInt32LE(c.IFF_UP, 12);
  }
  return Buffer.concat([head, ...settingAttributes(settings), ...more]);
}

function linkHead(family: number, index: number): Buffer {
  const head = Buffer.alloc(IFINFOMSG_BYTES);
  head.writeUInt8(family, 0);
  head.writeInt32LE(index, 4);
  return head;
}

function settingAttributes(settings: LinkSettings): Attribute[] {
  const { name, mtu, mac, master, group, netns, alias } = settings;
  const attributes: Attribute[] = [];
  if (name !== undefined) attributes.push(text(c.IFLA_IFNAME, name));
  if (mtu !== undefined) attributes.push(u32(c.IFLA_MTU, mtu));
  if (mac !== undefined) attributes.push(attribute(c.IFLA_ADDRESS, macBytes(mac)));
  if (master !== undefined) attributes.push(u32(c.IFLA_MASTER, master));
  if (group !== undefined) attributes.push(u32(c.IFLA_GROUP, group));
  if (alias !== undefined) attributes.push(attribute(c.IFLA_IFALIAS, Buffer.from(alias)));
  if (netns !== undefined) {
    attributes.push("fd" in netns ? u32(c.IFLA_NET_NS_FD, netns.fd) : u32(c.IFLA_NET_NS_PID, netns.pid));
  }
  return attributes;
}

/** Only the name: for a lookup or a deletion. */
export function encodeLinkName(name: string): Buffer {
  return Buffer.concat([linkHead(c.AF_UNSPEC, 0), text(c.IFLA_IFNAME, name)]);
}

/** Every link of a group: for a deletion. */
export function encodeLinkGroup(group: number): Buffer {
  return Buffer.concat([linkHead(c.AF_UNSPEC, 0), u32(c.IFLA_GROUP, group)]);
}

/** IFLA_LINKINFO of a bridge that never speaks STP and forwards at once. */
export function bridgeInfo(settings: BridgeSettings): Attribute {
  const data = [u32(c.IFLA_BR_STP_STATE, 0), u32(c.IFLA_BR_FORWARD_DELAY, 0)];
  if (settings.multicastSnooping !== undefined)
    data.push(u8(c.IFLA_BR_MCAST_SNOOPING, Number(settings.multicastSnooping)));
  return linkInfo("bridge", data);
}

/** IFLA_LINKINFO of a pair: the other end may be born in another namespace. */
export function vethInfo(peer: LinkSettings): Attribute {
  return linkInfo("veth", [nested(c.VETH_INFO_PEER, [encodeLink(0, peer)])]);
}

export function vxlanInfo(settings: VxlanSettings): Attribute {
  const port = Buffer.alloc(2);
  port.writeUInt16BE(settings.port);
  const data = [u32(c.IFLA_VXLAN_ID, settings.id), attribute(c.IFLA_VXLAN_PORT, port), u8(c.IFLA_VXLAN_LEARNING, 0)];
  if (settings.local !== undefined) data.push(attribute(c.IFLA_VXLAN_LOCAL, addressBytes(settings.local)));
  return linkInfo("vxlan", data);
}

function linkInfo(kind: string, data: readonly Attribute[]): Attribute {
  return nested(c.IFLA_LINKINFO, [attribute(c.IFLA_INFO_KIND, Buffer.from(kind)), nested(c.IFLA_INFO_DATA, data)]);
}

/** For RTM_SETLINK of family AF_BRIDGE. */
export function encodePort(index: number, settings: PortSettings): Buffer {
  const data: Attribute[] = [];
  if (settings.hairpin !== undefined) data.push(u8(c.IFLA_BRPORT_MODE, Number(settings.hairpin)));
  if (settings.isolated !== undefined) data.push(u8(c.IFLA_BRPORT_ISOLATED, Number(settings.isolated)));
  if (settings.closed) data.push(u8(c.IFLA_BRPORT_STATE, c.BR_STATE_DISABLED), flag(c.IFLA_BRPORT_FLUSH));
  return Buffer.concat([linkHead(c.AF_BRIDGE, index), nested(c.IFLA_PROTINFO, data)]);
}

export function decodeLink(body: Buffer): Link {
  const attributes = attributeMap(body.subarray(IFINFOMSG_BYTES));
  const number = (type: number): number => attributes.get(type)?.readUInt32LE() ?? 0;
  const flags = body.readUInt32LE(8);
  const info = attributes.get(c.IFLA_LINKINFO);
  const mac = attributes.get(c.IFLA_ADDRESS);
  return {
    index: body.readInt32LE(4),
    name: decodeText(attributes.get(c.IFLA_IFNAME)),
    kind: info ? decodeText(attributeMap(info).get(c.IFLA_INFO_KIND)) : "",
    up: (flags & c.IFF_UP) !== 0,
    running: (flags & c.IFF_RUNNING) !== 0,
    mtu: number(c.IFLA_MTU),
    mac: mac ? macText(mac) : "",
    master: number(c.IFLA_MASTER),
    group: number(c.IFLA_GROUP),
    peer: number(c.IFLA_LINK),
    alias: decodeText(attributes.get(c.IFLA_IFALIAS)),
    statistics: decodeStatistics(attributes.get(c.IFLA_STATS64)),
  };
}

/** struct rtnl_link_stats64: packets, bytes, errors and drops, received before sent. */
function decodeStatistics(bytes: Buffer | undefined): LinkStatistics | undefined {
  if (bytes === undefined || bytes.length < 64) return undefined;
  const field = (index: number): number => Number(bytes.readBigUInt64LE(index * 8));
  return {
    receivedPackets: field(0),
    sentPackets: field(1),
    receivedBytes: field(2),
    sentBytes: field(3),
    receiveErrors: field(4),
    sendErrors: field(5),
    receiveDropped: field(6),
    sendDropped: field(7),
  };
}
