/** Address, route and neighbour messages (ifaddrmsg, rtmsg, ndmsg). Pure. */
import { addressBytes, addressText, macBytes, macText } from "./addresses.ts";
import { attribute, attributeMap, u32, type Attribute } from "./attributes.ts";
import * as c from "./rtnetlink-constants.ts";
import { AF_INET, AF_INET6 } from "../sockets.ts";

export interface Address {
  readonly link: number;
  readonly address: string;
  readonly prefixLength: number;
}

export interface Route {
  /** undefined: the default route. */
  readonly destination?: { readonly address: string; readonly prefixLength: number };
  readonly gateway?: string;
  /** Index of the outgoing link. */
  readonly link: number;
  /** Preferred source address. */
  readonly source?: string;
  /** The gateway is on the link though no address there says so. */
  readonly onlink?: boolean;
  readonly metric?: number;
}

/** A route as the kernel lists it. */
export interface ListedRoute extends Route {
  readonly family: 4 | 6;
  readonly table: number;
  /** RTN_UNICAST 1, RTN_LOCAL 2, ... (linux/rtnetlink.h) */
  readonly kind: number;
}

export interface Neighbour {
  readonly link: number;
  readonly address: string;
  readonly mac: string;
}

const IFADDRMSG_BYTES = 8;
const RTMSG_BYTES = 12;
const NDMSG_BYTES = 12;

function familyOf(bytes: Buffer): number {
  return bytes.length === 4 ? AF_INET : AF_INET6;
}

/** IPv6 addresses are usable at once: Gantry gives them out and knows that they are nobody else's. */
export function encodeAddress({ link, address, prefixLength }: Address): Buffer {
  const bytes = addressBytes(address);
  const head = Buffer.alloc(IFADDRMSG_BYTES);
  head.writeUInt8(familyOf(bytes), 0);
  head.writeUInt8(prefixLength, 1);
  head.writeUInt32LE(link, 4);
  const attributes = [attribute(c.IFA_LOCAL, bytes), attribute(c.IFA_ADDRESS, bytes)];
  if (bytes.length === 16) attributes.push(u32(c.IFA_FLAGS, c.IFA_F_NODAD));
  else if (prefixLength < 31) attributes.push(attribute(IFA_BROADCAST, broadcastOf(bytes, prefixLength)));
  return Buffer.concat([head, ...attributes]);
}

/** linux/if_addr.h */
const IFA_BROADCAST = 4;

function broadcastOf(bytes: Buffer, prefixLength: number): Buffer {
  const broadcast = Buffer.alloc(4);
  broadcast.writeUInt32BE((bytes.readUInt32BE(0) | (0xffffffff >>> prefixLength)) >>> 0);
  return broadcast;
}

export function decodeAddress(body: Buffer): Address {
  const attributes = attributeMap(body.subarray(IFADDRMSG_BYTES));
  const bytes = attributes.get(c.IFA_LOCAL) ?? attributes.get(c.IFA_ADDRESS);
  return { link: body.readUInt32LE(4), prefixLength: body.readUInt8(1), address: bytes ? addressText(bytes) : "" };
}

/** `family` 4 or 6 is needed when neither destination nor gateway tells it. */
export function encodeRoute(route: Route, family?: 4 | 6): Buffer {
  const destination = route.destination && addressBytes(route.destination.address);
  const gateway = route.gateway === undefined ? undefined : addressBytes(route.gateway);
  const known = destination ?? gateway;
  const head = Buffer.alloc(RTMSG_BYTES);
  head.writeUInt8(known ? familyOf(known) : family === 6 ? AF_INET6 : AF_INET, 0);
  head.writeUInt8(route.destination?.prefixLength ?? 0, 1);
  head.writeUInt8(c.RT_TABLE_MAIN, 4);
  head.writeUInt8(c.RTPROT_STATIC, 5);
  head.writeUInt8(gateway ? c.RT_SCOPE_UNIVERSE : c.RT_SCOPE_LINK, 6);
  head.writeUInt8(c.RTN_UNICAST, 7);
  head.writeUInt32LE(route.onlink ? c.RTNH_F_ONLINK : 0, 8);
  const attributes: Attribute[] = [u32(c.RTA_OIF, route.link)];
  if (destination) attributes.push(attribute(c.RTA_DST, destination));
  if (gateway) attributes.push(attribute(c.RTA_GATEWAY, gateway));
  if (route.source !== undefined) attributes.push(attribute(c.RTA_PREFSRC, addressBytes(route.source)));
  if (route.metric !== undefined) attributes.push(u32(c.RTA_PRIORITY, route.metric));
  return Buffer.concat([head, ...attributes]);
}

export function decodeRoute(body: Buffer): ListedRoute {
  const attributes = attributeMap(body.subarray(RTMSG_BYTES));
  const address = (type: number): string | undefined => {
    const bytes = attributes.get(type);
    return bytes && addressText(bytes);
  };
  const destination = address(c.RTA_DST);
  const gateway = address(c.RTA_GATEWAY);
  const source = address(c.RTA_PREFSRC);
  const metric = attributes.get(c.RTA_PRIORITY)?.readUInt32LE();
  return {
    family: body.readUInt8(0) === AF_INET6 ? 6 : 4,
    table: attributes.get(c.RTA_TABLE)?.readUInt32LE() ?? body.readUInt8(4),
    kind: body.readUInt8(7),
    link: attributes.get(c.RTA_OIF)?.readUInt32LE() ?? 0,
    ...(destination === undefined ? {} : { destination: { address: destination, prefixLength: body.readUInt8(1) } }),
    ...(gateway === undefined ? {} : { gateway }),
    ...(source === undefined ? {} : { source }),
    ...(metric === undefined ? {} : { metric }),
  };
}

export function encodeNeighbour({ link, address, mac }: Neighbour): Buffer {
  const bytes = addressBytes(address);
  const head = Buffer.alloc(NDMSG_BYTES);
  head.writeUInt8(familyOf(bytes), 0);
  head.writeUInt32LE(link, 4);
  head.writeUInt16LE(c.NUD_PERMANENT, 8);
  return Buffer.concat([head, attribute(c.NDA_DST, bytes), attribute(c.NDA_LLADDR, macBytes(mac))]);
}

export function decodeNeighbour(body: Buffer): Neighbour {
  const attributes = attributeMap(body.subarray(NDMSG_BYTES));
  const address = attributes.get(c.NDA_DST);
  const mac = attributes.get(c.NDA_LLADDR);
  return {
    link: body.readUInt32LE(4),
    address: address && (address.length === 4 || address.length === 16) ? addressText(address) : "",
    mac: mac ? macText(mac) : "",
  };
}
