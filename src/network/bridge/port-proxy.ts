/**
 * A port of the host's IPv6 addresses that leads to a container which has IPv4 only: no rule can translate between the two, so that
 * connections are passed on here, as docker-proxy does. They end with the daemon.
 */
import { createSocket, type RemoteInfo, type Socket as DatagramSocket } from "node:dgram";
import { connect, createServer, type Server, type Socket } from "node:net";
import { openListener } from "#linux/inet-sockets.ts";

export interface ProxiedPort {
  readonly protocol: "tcp" | "udp";
  /** The host's IPv6 address; "::": all of them. */
  readonly hostAddress: string;
  readonly hostPort: number;
  readonly address: string;
  readonly containerPort: number;
}

export interface PortProxy {
  close(): void;
}

/** Connections, and datagram clients, of one port at a time; more are turned away, and the oldest client forgotten. */
const MOST_CONNECTIONS = 1024;
/** A datagram client that is silent so long is forgotten (docker-proxy's time too). */
const IDLE_MS = 90_000;

/** Throws SyscallError EADDRINUSE, EADDRNOTAVAIL, EACCES, EAFNOSUPPORT. */
export function openPortProxy(port: ProxiedPort): PortProxy {
  const { fd } = openListener({ protocol: port.protocol, address: port.hostAddress, port: port.hostPort });
  return port.protocol === "tcp" ? passConnections(fd, port) : passDatagrams(fd, port);
}

function passConnections(fd: number, { address, containerPort }: ProxiedPort): PortProxy {
  const open = new Set<Socket>();
  const server: Server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (client) => {
    const target = connect({ host: address, port: containerPort, allowHalfOpen: true });
    for (const [one, other] of [
      [client, target],
      [target, client],
    ] as const) {
      open.add(one);
      one.on("error", () => other.destroy());
      one.on("close", () => {
        open.delete(one);
        other.destroy();
      });
    }
    target.once("connect", () => {
      client.pipe(target);
      target.pipe(client);
    });
  });
  server.maxConnections = MOST_CONNECTIONS;
  server.on("error", () => server.close());
  server.listen({ fd });
  return {
    close() {
      server.close();
      for (const socket of open) socket.destroy();
    },
  };
}

interface Client {
  readonly socket: DatagramSocket;
  timer: NodeJS.Timeout;
}

function passDatagrams(fd: number, { address, containerPort }: ProxiedPort): PortProxy {
  const clients = new Map<string, Client>();
  const server = createSocket("udp6");
  const forget = (key: string): void => {
    const client = clients.get(key);
    if (!client) return;
    clearTimeout(client.timer);
    client.socket.close();
    clients.delete(key);
  };
  const idle = (key: string): NodeJS.Timeout => setTimeout(() => forget(key), IDLE_MS).unref();
  const meet = (key: string, from: RemoteInfo): Client => {
    const [oldest] = clients.keys();
    if (clients.size >= MOST_CONNECTIONS && oldest !== undefined) forget(oldest);
    const socket = createSocket("udp4");
    socket.on("message", (answer) => server.send(answer, from.port, from.address));
    socket.on("error", () => forget(key));
    const client = { socket, timer: idle(key) };
    clients.set(key, client);
    return client;
  };
  server.on("message", (datagram, from) => {
    const key = `${from.address}/${from.port}`;
    const client = clients.get(key) ?? meet(key, from);
    clearTimeout(client.timer);
    client.timer = idle(key);
    client.socket.send(datagram, containerPort, address);
  });
  server.on("error", () => undefined);
  server.bind({ fd });
  return {
    close() {
      for (const key of Array.from(clients.keys())) forget(key);
      server.close();
    },
  };
}
