/** Sockets that node:net does not know (netlink, raw): each function is named after its manual page. See syscalls.ts. */
import { addressOf, native, nativeLater, restarting } from "./syscalls/native.ts";
import { setCloseOnExec } from "./syscalls.ts";

export const AF_UNIX = 1;
export const AF_INET = 2;
export const AF_INET6 = 10;
export const AF_NETLINK = 16;
export const SOCK_STREAM = 1;
export const SOCK_DGRAM = 2;
export const SOCK_RAW = 3;
export const SOCK_SEQPACKET = 5;
export const SOCK_NONBLOCK = 0o4000;
export const SOCK_CLOEXEC = 0o2000000;
export const SOL_SOCKET = 1;
export const SCM_RIGHTS = 1;
export const SO_SNDBUF = 7;
export const SO_RCVBUF = 8;
export const SO_RCVTIMEO = 20;
export const SO_SNDBUFFORCE = 32;
export const SO_RCVBUFFORCE = 33;
export const SOL_NETLINK = 270;
export const MSG_PEEK = 0x2;
export const MSG_TRUNC = 0x20;
export const MSG_DONTWAIT = 0x40;
export const MSG_NOSIGNAL = 0x4000;

const nativeSocket = native<[number, number, number]>("socket", "int socket(int domain, int type, int protocol)");
const nativeSocketpair = native<[number, number, number, Buffer]>(
  "socketpair",
  "int socketpair(int domain, int type, int protocol, uint8_t *fds)",
);
const nativeBind = native<[number, Buffer, number]>("bind", "int bind(int fd, const uint8_t *address, uint length)");
const nativeConnect = native<[number, Buffer, number]>(
  "connect",
  "int connect(int fd, const uint8_t *address, uint length)",
);
const nativeSend = native<[number, Buffer, number, number]>(
  "send",
  "long send(int fd, const uint8_t *data, size_t length, int flags)",
);
const nativeSendLater = nativeLater<[number, Buffer, number, number]>(
  "long send(int fd, const uint8_t *data, size_t length, int flags)",
);
const nativeSendmsg = native<[number, Buffer, number]>(
  "sendmsg",
  "long sendmsg(int fd, const uint8_t *header, int flags)",
);
const nativeRecv = native<[number, Buffer, number, number]>(
  "recv",
  "long recv(int fd, uint8_t *data, size_t length, int flags)",
);
const nativeSendto = native<[number, Buffer, number, number, Buffer, number]>(
  "sendto",
  "long sendto(int fd, const uint8_t *data, size_t length, int flags, const uint8_t *address, uint addressLength)",
);
const nativeRecvfrom = native<[number, Buffer, number, number, Buffer, Buffer]>(
  "recvfrom",
  "long recvfrom(int fd, uint8_t *data, size_t length, int flags, uint8_t *address, uint8_t *addressLength)",
);
const nativeSetsockopt = native<[number, number, number, Buffer, number]>(
  "setsockopt",
  "int setsockopt(int fd, int level, int name, const uint8_t *value, uint length)",
);
const nativeGetsockopt = native<[number, number, number, Buffer, Buffer]>(
  "getsockopt",
  "int getsockopt(int fd, int level, int name, uint8_t *value, uint8_t *length)",
);
const nativeGetsockname = native<[number, Buffer, Buffer]>(
  "getsockname",
  "int getsockname(int fd, uint8_t *address, uint8_t *length)",
);

/** The room for an encoded sockaddr of any family (struct sockaddr_storage). */
const SOCKADDR_BYTES = 128;

/** A new socket; returns its descriptor. */
export function socket(domain: number, type: number, protocol: number): number {
  return nativeSocket(domain, type | SOCK_CLOEXEC, protocol);
}

/** Two connected sockets. The first is close-on-exec, the second is for a child to inherit: close it as soon as there is one. */
export function socketpair(domain: number, type: number): [number, number] {
  const fds = Buffer.alloc(8);
  nativeSocketpair(domain, type, 0, fds);
  const [ours, theirs] = [fds.readInt32LE(0), fds.readInt32LE(4)];
  setCloseOnExec(ours);
  return [ours, theirs];
}

/** `address` is the encoded sockaddr. */
export function bind(fd: number, address: Buffer): void {
  nativeBind(fd, address, address.length);
}

/** `address` is the encoded sockaddr. */
export function connect(fd: number, address: Buffer): void {
  restarting(() => nativeConnect(fd, address, address.length));
}

/** Sends `data`; returns how many bytes went. */
export function send(fd: number, data: Buffer, flags = 0): number {
  return restarting(() => nativeSend(fd, data, data.length, flags | MSG_NOSIGNAL));
}

/**
 * Sends `data` with a descriptor beside it, which the receiver gets a copy of (SCM_RIGHTS, unix(7)). Waits while the receiver's queue is
 * full.
 */
export function sendDescriptor(fd: number, data: Buffer, descriptor: number): void {
  // struct cmsghdr and the descriptor; struct iovec; struct msghdr: as on every 64-bit Linux.
  const control = Buffer.alloc(24);
  control.writeBigUInt64LE(20n, 0);
  control.writeInt32LE(SOL_SOCKET, 8);
  control.writeInt32LE(SCM_RIGHTS, 12);
  control.writeInt32LE(descriptor, 16);
  const part = Buffer.alloc(16);
  part.writeBigUInt64LE(addressOf(data), 0);
  part.writeBigUInt64LE(BigInt(data.length), 8);
  const header = Buffer.alloc(56);
  header.writeBigUInt64LE(addressOf(part), 16);
  header.writeBigUInt64LE(1n, 24);
  header.writeBigUInt64LE(addressOf(control), 32);
  header.writeBigUInt64LE(BigInt(control.length), 40);
  restarting(() => nativeSendmsg(fd, header, MSG_NOSIGNAL));
}

/** Sends `data` from another thread: a netlink request is carried out within its send. False when it failed. */
export async function sendLater(fd: number, data: Buffer): Promise<boolean> {
  return (await nativeSendLater(fd, data, data.length, MSG_NOSIGNAL)) === data.length;
}

/** Receives into `data`; returns how many bytes came (with MSG_TRUNC: how many there were). */
export function recv(fd: number, data: Buffer, flags = 0): number {
  return restarting(() => nativeRecv(fd, data, data.length, flags));
}

/** Sends `data` to an encoded sockaddr; returns how many bytes went. */
export function sendto(fd: number, data: Buffer, address: Buffer, flags = 0): number {
  return restarting(() => nativeSendto(fd, data, data.length, flags | MSG_NOSIGNAL, address, address.length));
}

/** Receives into `data`; returns the byte count and the sender's encoded sockaddr. */
export function recvfrom(fd: number, data: Buffer, flags = 0): { length: number; address: Buffer } {
  const address = Buffer.alloc(SOCKADDR_BYTES);
  const addressLength = uint32(address.length);
  const length = restarting(() => nativeRecvfrom(fd, data, data.length, flags, address, addressLength));
  return { length, address: address.subarray(0, addressLength.readUInt32LE()) };
}

/** Sets a socket option; a number is passed as a C int. */
export function setsockopt(fd: number, level: number, name: number, value: number | Buffer): void {
  const bytes = typeof value === "number" ? uint32(value >>> 0) : value;
  nativeSetsockopt(fd, level, name, bytes, bytes.length);
}

/** Reads a socket option of at most `maxBytes`. */
export function getsockopt(fd: number, level: number, name: number, maxBytes = 4): Buffer {
  const value = Buffer.alloc(maxBytes);
  const length = uint32(maxBytes);
  nativeGetsockopt(fd, level, name, value, length);
  return value.subarray(0, length.readUInt32LE());
}

/** The socket's own encoded sockaddr (a netlink socket's port id is in it). */
export function getsockname(fd: number): Buffer {
  const address = Buffer.alloc(SOCKADDR_BYTES);
  const length = uint32(address.length);
  nativeGetsockname(fd, address, length);
  return address.subarray(0, length.readUInt32LE());
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}
