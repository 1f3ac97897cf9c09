/**
 * Internet sockets that node:net cannot make: opened synchronously, so that they belong to the network namespace the thread
 * is in (netns.ts), and ports that are held without being served.
 */
import { GantryError } from "#base/errors.ts";
import { addressBytes } from "./netlink/addresses.ts";
import {
  AF_INET,
  AF_INET6,
  bind,
  connect,
  getsockname,
  getsockopt,
  setsockopt,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  SOCK_STREAM,
  socket,
  SOL_SOCKET,
} from "./sockets.ts";
import { close, isSyscallError, SyscallError } from "./syscalls.ts";
import { native } from "./syscalls/native.ts";

export interface InetAddress {
  readonly protocol: "tcp" | "udp" | "sctp";
  readonly address: string;
  /** 0: any free one. */
  readonly port: number;
}

const nativeListen = native<[number, number]>("listen", "int listen(int fd, int backlog)");
const nativeShutdown = native<[number, number]>("shutdown", "int shutdown(int fd, int how)");

const IPPROTO_SCTP = 132;
const IPPROTO_IPV6 = 41;
const IPV6_V6ONLY = 26;
const SO_REUSEADDR = 2;
const SO_ERROR = 4;
const SHUT_RDWR = 2;
const BACKLOG = 128;

/**
 * Takes a port of this host so that nobody else can bind it, without listening: connections that no rule translates are
 * refused. Returns the descriptor to close. Throws SyscallError EADDRINUSE, EADDRNOTAVAIL, EACCES.
 */
export function holdPort(at: InetAddress): number | undefined {
  let fd: number;
  try {
    fd = openSocket(at, 0);
  } catch (error) {
    // A kernel without SCTP: nobody can bind such a port.
    if (at.protocol === "sctp" && isSyscallError(error, "EPROTONOSUPPORT", "ESOCKTNOSUPPORT")) return undefined;
    throw error;
  }
  try {
    // Connections of an earlier owner that linger (TIME_WAIT) are no obstacle, listening sockets are: only a listener is
    // told apart from those, so listen for a moment. Afterwards nobody may share the port.
    if (at.protocol === "tcp") setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    bind(fd, sockaddr(at));
    if (at.protocol === "tcp") {
      nativeListen(fd, 0);
      nativeShutdown(fd, SHUT_RDWR);
      setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, 0);
    }
    return fd;
  } catch (error) {
    close(fd);
    throw error;
  }
}

/** A bound socket, listening when it is TCP, for `net.Server.listen({fd})` or `dgram.Socket.bind({fd})`, and its port. */
export function openListener(at: InetAddress): { readonly fd: number; readonly port: number } {
  const fd = openSocket(at, SOCK_NONBLOCK);
  try {
    if (at.protocol === "tcp") setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    bind(fd, sockaddr(at));
    if (at.protocol === "tcp") nativeListen(fd, BACKLOG);
    return { fd, port: getsockname(fd).readUInt16BE(2) };
  } catch (error) {
    close(fd);
    throw error;
  }
}

/** A TCP connection to an address of the thread's own namespace. Throws SyscallError ECONNREFUSED when nobody listens. */
export function openLocalConnection(address: string, port: number): number {
  const at: InetAddress = { protocol: "tcp", address, port };
  const fd = openSocket(at, SOCK_NONBLOCK);
  try {
    connect(fd, sockaddr(at));
    return fd;
  } catch (error) {
    // Over loopback the handshake is over when connect returns, whatever it says.
    const errno = isSyscallError(error, "EINPROGRESS") ? getsockopt(fd, SOL_SOCKET, SO_ERROR).readInt32LE() : -1;
    if (errno === 0) return fd;
    close(fd);
    throw errno < 0 ? error : new SyscallError("connect", errno, `${address}:${port}`);
  }
}

/** A TCP socket of the family of `address`, in the namespace that the thread is in, for `net.Socket.connect`. */
export function openUnconnected(address: string): number {
  return openSocket({ protocol: "tcp", address }, SOCK_NONBLOCK);
}

function openSocket({ protocol, address }: Omit<InetAddress, "port">, flags: number): number {
  const family = address.includes(":") ? AF_INET6 : AF_INET;
  const type = protocol === "udp" ? SOCK_DGRAM : SOCK_STREAM;
  const fd = socket(family, type | flags, protocol === "sctp" ? IPPROTO_SCTP : 0);
  try {
    if (family === AF_INET6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
  } catch (error) {
    close(fd);
    throw error;
  }
  return fd;
}

/** struct sockaddr_in or sockaddr_in6. */
function sockaddr({ address, port }: InetAddress): Buffer {
  if (port < 0 || port > 65_535) throw new GantryError("invalid", `port ${port} is not between 0 and 65535`);
  const ip = addressBytes(address);
  const bytes = Buffer.alloc(ip.length === 4 ? 16 : 28);
  bytes.writeUInt16LE(ip.length === 4 ? AF_INET : AF_INET6, 0);
  bytes.writeUInt16BE(port, 2);
  bytes.set(ip, ip.length === 4 ? 4 : 8);
  return bytes;
}
