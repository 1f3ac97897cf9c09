/** The kernel's table of connections (ctnetlink): what must be forgotten when a translation changes. */
import { addressText } from "./netlink/addresses.ts";
import { attribute, attributeMap } from "./netlink/attributes.ts";
import type { Message, Request } from "./netlink/message.ts";
import { PROTOCOLS } from "./netlink/nft-types.ts";
import { NETLINK_NETFILTER, openNetlink } from "./netlink/socket.ts";
import { isSyscallError } from "./syscalls.ts";

/** A tracked flow: where its first packet went, and where that led. */
export interface Flow {
  readonly protocol: "tcp" | "udp" | "sctp" | "other";
  readonly originalSource: string;
  readonly originalAddress: string;
  readonly originalPort: number;
  /** The source of replies: the destination after translation. */
  readonly replyAddress: string;
  readonly replyPort: number;
}

const SUBSYSTEM = 1;
const CT_GET = 1;
const CT_DELETE = 2;
const CTA_TUPLE_ORIG = 1;
const CTA_TUPLE_REPLY = 2;
const CTA_ID = 12;
const NESTED = 0x8000;

/** Deletes the flows that `forgotten` picks; returns how many. Costs a walk through the whole table. */
export function forgetFlows(forgotten: (flow: Flow) => boolean): number {
  const socket = openNetlink(NETLINK_NETFILTER);
  let count = 0;
  try {
    const answers = socket.dump(request(CT_GET, Buffer.alloc(4), "list connections"));
    for (const answer of answers) {
      if (!forgotten(decodeFlow(answer))) continue;
      try {
        socket.request(request(CT_DELETE, deletion(answer), "delete a connection"));
        count++;
      } catch (error) {
        // It ended by itself meanwhile.
        if (!isSyscallError(error, "ENOENT")) throw error;
      }
    }
    return count;
  } finally {
    socket.close();
  }
}

/** The connections of the thread's namespace. */
export function listFlows(): readonly Flow[] {
  const socket = openNetlink(NETLINK_NETFILTER);
  try {
    return socket.dump(request(CT_GET, Buffer.alloc(4), "list connections")).map(decodeFlow);
  } finally {
    socket.close();
  }
}

function request(message: number, body: Buffer, what: string): Request {
  return { type: (SUBSYSTEM << 8) | message, flags: 0, body, what };
}

function deletion({ body }: Message): Buffer {
  const attributes = attributeMap(body.subarray(4));
  const parts = [body.subarray(0, 4)];
  const tuple = attributes.get(CTA_TUPLE_ORIG);
  const id = attributes.get(CTA_ID);
  if (tuple) parts.push(attribute(CTA_TUPLE_ORIG | NESTED, tuple));
  if (id) parts.push(attribute(CTA_ID, id));
  return Buffer.concat(parts);
}

function decodeFlow({ body }: Message): Flow {
  const attributes = attributeMap(body.subarray(4));
  const original = decodeTuple(attributes.get(CTA_TUPLE_ORIG));
  const reply = decodeTuple(attributes.get(CTA_TUPLE_REPLY));
  return {
    protocol: original.protocol,
    originalSource: original.source,
    originalAddress: original.destination,
    originalPort: original.destinationPort,
    replyAddress: reply.source,
    replyPort: reply.sourcePort,
  };
}

interface Tuple {
  readonly protocol: Flow["protocol"];
  readonly source: string;
  readonly sourcePort: number;
  readonly destination: string;
  readonly destinationPort: number;
}

function decodeTuple(bytes: Buffer | undefined): Tuple {
  const empty = Buffer.alloc(0);
  const parts = attributeMap(bytes ?? empty);
  const addresses = attributeMap(parts.get(1) ?? empty);
  const transport = attributeMap(parts.get(2) ?? empty);
  const address = (v4: number, v6: number): string => {
    const found = addresses.get(v4) ?? addresses.get(v6);
    return found ? addressText(found) : "";
  };
  const number = transport.get(1)?.readUInt8() ?? 0;
  const protocol = (["tcp", "udp", "sctp"] as const).find((name) => PROTOCOLS[name] === number) ?? "other";
  return {
    protocol,
    source: address(1, 3),
    destination: address(2, 4),
    sourcePort: transport.get(2)?.readUInt16BE() ?? 0,
    destinationPort: transport.get(3)?.readUInt16BE() ?? 0,
  };
}
