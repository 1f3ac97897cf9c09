/** A blocking netlink socket: the kernel answers within the send, so that a request is one synchronous exchange (about 0.1 ms). */
import { GantryError } from "#base/errors.ts";
import {
  AF_NETLINK,
  bind,
  MSG_DONTWAIT,
  MSG_TRUNC,
  recv,
  send,
  sendLater,
  setsockopt,
  socket,
  SO_RCVBUFFORCE,
  SO_RCVTIMEO,
  SO_SNDBUFFORCE,
  SOCK_RAW,
  SOL_NETLINK,
  SOL_SOCKET,
} from "../sockets.ts";
import { close, isSyscallError, SyscallError } from "../syscalls.ts";
import {
  decodeMessages,
  decodeOutcome,
  encodeMessage,
  NLM_F_ACK,
  NLM_F_DUMP,
  NLM_F_DUMP_INTR,
  NLMSG_DONE,
  NLMSG_ERROR,
  type Message,
  type Request,
} from "./message.ts";

export const NETLINK_ROUTE = 0;
export const NETLINK_NETFILTER = 12;

const NETLINK_CAP_ACK = 10;
const NETLINK_EXT_ACK = 11;
/** The largest datagram that a dump brings is 32 KiB (netlink_dump in net/netlink/af_netlink.c). */
const received = Buffer.alloc(65_536);
/** Room for one transaction and for the refusals of each of its messages. */
const BUFFER_BYTES = 32 * 1024 * 1024;
/** A kernel that does not answer is an error, not a hang. */
const ANSWER_TIMEOUT_SECONDS = 10;
/** A dump that changed while it ran is read again this often. */
const DUMP_TRIES = 8;

export interface NetlinkSocket {
  /** Sends one request and returns what comes before its acknowledgement. Throws SyscallError with the kernel's words. */
  request(request: Request): readonly Message[];
  /** Like `request`, while the thread goes on: for what keeps the kernel busy. One at a time, and nothing else meanwhile. */
  requestLater(request: Request): Promise<void>;
  /** Reads a whole table. */
  dump(request: Request): readonly Message[];
  /** Sends requests as one datagram (an nfnetlink transaction). The last but one message is acknowledged. */
  transaction(requests: readonly Request[]): void;
  close(): void;
}

/** A socket in the calling thread's network namespace, where it stays whatever the thread does later. */
export function openNetlink(protocol: number): NetlinkSocket {
  const fd = openSocket(protocol);
  let sequence = 0;
  const exchange = (request: Request): readonly Message[] => {
    sequence = (sequence + 1) >>> 0;
    send(fd, encodeMessage(request, sequence));
    return receiveAnswer(fd, sequence, request);
  };
  return {
    request: (request) => exchange({ ...request, flags: request.flags | NLM_F_ACK }),
    async requestLater(request) {
      sequence = (sequence + 1) >>> 0;
      const sent = sequence;
      const acknowledged = { ...request, flags: request.flags | NLM_F_ACK };
      if (!(await sendLater(fd, encodeMessage(acknowledged, sent))))
        throw new GantryError("internal", `netlink: ${request.what}`);
      receiveAnswer(fd, sent, request);
    },
    dump(request) {
      for (let tries = 1; ; tries++) {
        const messages = exchange({ ...request, flags: request.flags | NLM_F_DUMP });
        if (!messages.some(({ flags }) => flags & NLM_F_DUMP_INTR) || tries === DUMP_TRIES) return messages;
      }
    },
    transaction(requests) {
      const first = sequence + 1;
      sequence += requests.length;
      const acknowledged = requests.length - 2;
      const datagram = requests.map((request, index) =>
        encodeMessage(
          index === acknowledged ? { ...request, flags: request.flags | NLM_F_ACK } : request,
          first + index,
        ),
      );
      send(fd, Buffer.concat(datagram));
      checkTransaction(fd, requests, first, first + acknowledged);
    },
    close: () => close(fd),
  };
}

function openSocket(protocol: number): number {
  const fd = socket(AF_NETLINK, SOCK_RAW, protocol);
  try {
    const address = Buffer.alloc(12);
    address.writeUInt16LE(AF_NETLINK, 0);
    bind(fd, address);
    setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, 1);
    setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, 1);
    setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, BUFFER_BYTES);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, BUFFER_BYTES);
    const timeout = Buffer.alloc(16);
    timeout.writeBigInt64LE(BigInt(ANSWER_TIMEOUT_SECONDS), 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, timeout);
    return fd;
  } catch (error) {
    close(fd);
    throw error;
  }
}

function receiveAnswer(fd: number, sequence: number, request: Request): readonly Message[] {
  const answer: Message[] = [];
  for (;;) {
    for (const message of receive(fd, 0, request.what) ?? []) {
      if (message.sequence !== sequence) continue;
      if (message.type !== NLMSG_ERROR && message.type !== NLMSG_DONE) {
        answer.push(message);
        continue;
      }
      throwRefusal(message, request.what);
      return answer;
    }
  }
}

/** Everything the kernel says of a transaction lies in the socket's queue when the send returns. */
function checkTransaction(fd: number, requests: readonly Request[], first: number, acknowledged: number): void {
  let done = false;
  let refusal: unknown;
  for (let messages = receive(fd, MSG_DONTWAIT, ""); messages !== undefined; messages = receive(fd, MSG_DONTWAIT, "")) {
    for (const message of messages) {
      if (message.type !== NLMSG_ERROR || message.sequence < first) continue;
      done ||= message.sequence === acknowledged;
      try {
        throwRefusal(message, requests[message.sequence - first]?.what ?? "transaction");
      } catch (error) {
        refusal ??= error;
      }
    }
  }
  if (refusal !== undefined) throw refusal;
  if (!done) throw new GantryError("internal", "netlink: the kernel did not acknowledge a transaction");
}

/** One datagram's messages; undefined when there is none and `flags` say not to wait. */
function receive(fd: number, flags: number, what: string): readonly Message[] | undefined {
  try {
    const length = recv(fd, received, flags | MSG_TRUNC);
    if (length > received.length) throw new GantryError("internal", `netlink: an answer of ${length} bytes to ${what}`);
    return decodeMessages(Buffer.from(received.subarray(0, length)));
  } catch (error) {
    if (!isSyscallError(error, "EAGAIN")) throw error;
    if (flags & MSG_DONTWAIT) return undefined;
    throw new GantryError("timeout", `netlink: no answer to ${what} within ${ANSWER_TIMEOUT_SECONDS} s`, {}, error);
  }
}

function throwRefusal(message: Message, what: string): void {
  const { errno, text } = decodeOutcome(message);
  if (errno !== 0) throw new SyscallError("netlink", errno, text === "" ? what : `${what} (${text})`);
}
