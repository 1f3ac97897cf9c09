/** Netlink notifications on Node's event loop. */
import { Socket } from "node:net";
import {
  AF_NETLINK,
  AF_UNIX,
  bind,
  setsockopt,
  socket,
  SO_RCVBUFFORCE,
  SOCK_NONBLOCK,
  SOCK_RAW,
  SOCK_STREAM,
  SOL_NETLINK,
  SOL_SOCKET,
} from "../sockets.ts";
import { close, O_CLOEXEC } from "../syscalls.ts";
import { native } from "../syscalls/native.ts";
import { decodeMessages, type Message } from "./message.ts";

const NETLINK_ADD_MEMBERSHIP = 1;
/** Notifications that wait to be read; when there are more, some are lost and `onLost` says so. */
const BUFFER_BYTES = 4 * 1024 * 1024;

const nativeDup3 = native<[number, number, number]>("dup3", "int dup3(int from, int to, int flags)");

export interface NetlinkListener {
  onMessages(messages: readonly Message[]): void;
  /** Some were lost: look at the whole again. */
  onLost(): void;
}

/**
 * Listens to a multicast group in the calling thread's network namespace, or in the one that `within` goes into; the result stops it.
 * Does not keep the process alive.
 */
export function listenNetlink(
  protocol: number,
  group: number,
  listener: NetlinkListener,
  within: (open: () => number) => number = (open) => open(),
): () => void {
  let stopped = false;
  let current: Socket | undefined;
  const start = (): void => {
    const stream = streamOf(within(() => openGroup(protocol, group)));
    current = stream;
    stream.unref();
    stream.on("data", (bytes: Buffer) => listener.onMessages(decodeMessages(bytes)));
    // ENOBUFS: the buffer was full. A new socket has an empty one.
    stream.on("error", () => stream.destroy());
    stream.on("close", () => {
      if (stopped) return;
      start();
      listener.onLost();
    });
  };
  start();
  return () => {
    stopped = true;
    current?.destroy();
  };
}

function openGroup(protocol: number, group: number): number {
  const fd = socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK, protocol);
  const address = Buffer.alloc(12);
  address.writeUInt16LE(AF_NETLINK, 0);
  bind(fd, address);
  setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, BUFFER_BYTES);
  setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, group);
  return fd;
}

/**
 * Node makes streams of sockets it knows only. So it is given a Unix socket, and the netlink socket is put in its place
 * before the event loop has looked at it: each read then brings one datagram.
 */
function streamOf(fd: number): Socket {
  const place = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
  const stream = new Socket({ fd: place, readable: true, writable: false });
  nativeDup3(fd, place, O_CLOEXEC);
  close(fd);
  return stream;
}
