/** Netlink messages: struct nlmsghdr (length, type, flags, sequence, port) and a body (netlink(7)). Pure. */
import { align, attributeMap, decodeText } from "./attributes.ts";

const HEADER_BYTES = 16;

export const NLM_F_REQUEST = 0x1;
export const NLM_F_ACK = 0x4;
export const NLM_F_DUMP_INTR = 0x10;
export const NLM_F_CAPPED = 0x100;
export const NLM_F_ACK_TLVS = 0x200;
export const NLM_F_DUMP = 0x300;
export const NLM_F_REPLACE = 0x100;
export const NLM_F_EXCL = 0x200;
export const NLM_F_CREATE = 0x400;
export const NLM_F_APPEND = 0x800;

export const NLMSG_ERROR = 2;
export const NLMSG_DONE = 3;

const NLMSGERR_ATTR_MSG = 1;

/** What is to be asked or done, before a socket gives it a sequence number. */
export interface Request {
  readonly type: number;
  readonly flags: number;
  readonly body: Buffer;
  /** For the error, when the kernel refuses: `add link veth0`. */
  readonly what: string;
}

export interface Message {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  readonly body: Buffer;
}

export function encodeMessage(request: Request, sequence: number): Buffer {
  const length = HEADER_BYTES + request.body.length;
  const bytes = Buffer.alloc(align(length));
  bytes.writeUInt32LE(length, 0);
  bytes.writeUInt16LE(request.type, 4);
  bytes.writeUInt16LE(request.flags | NLM_F_REQUEST, 6);
  bytes.writeUInt32LE(sequence >>> 0, 8);
  bytes.set(request.body, HEADER_BYTES);
  return bytes;
}

/** The messages of one datagram; what does not parse ends the list. */
export function decodeMessages(bytes: Buffer): readonly Message[] {
  const found: Message[] = [];
  for (let at = 0; at + HEADER_BYTES <= bytes.length;) {
    const length = bytes.readUInt32LE(at);
    if (length < HEADER_BYTES || at + length > bytes.length) break;
    found.push({
      type: bytes.readUInt16LE(at + 4),
      flags: bytes.readUInt16LE(at + 6),
      sequence: bytes.readUInt32LE(at + 8),
      body: bytes.subarray(at + HEADER_BYTES, at + length),
    });
    at += align(length);
  }
  return found;
}

/** The outcome in an NLMSG_ERROR or NLMSG_DONE message: errno 0 for an acknowledgement, and the kernel's own words. */
export function decodeOutcome(message: Message): { readonly errno: number; readonly text: string } {
  const errno = message.body.length >= 4 ? -message.body.readInt32LE(0) : 0;
  if (!(message.flags & NLM_F_ACK_TLVS)) return { errno, text: "" };
  return { errno, text: decodeText(attributeMap(message.body.subarray(outcomeBytes(message))).get(NLMSGERR_ATTR_MSG)) };
}

/** Where the attributes of an outcome begin: after the error number, and in NLMSG_ERROR after the refused message. */
function outcomeBytes(message: Message): number {
  if (message.type === NLMSG_DONE) return 4;
  const refusedBytes =
    message.flags & NLM_F_CAPPED || message.body.length < 8 ? HEADER_BYTES : message.body.readUInt32LE(4);
  return 4 + align(refusedBytes);
}
