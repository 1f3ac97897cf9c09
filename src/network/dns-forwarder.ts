/** Asks other name servers and hands their answers back unread. */
import { createSocket } from "node:dgram";
import { createConnection, isIPv6 } from "node:net";
import type { Clock } from "#base/clock.ts";
import type { Random } from "#base/random.ts";
import type { DnsQuery } from "./dns-service.ts";

export interface ForwarderOptions {
  readonly clock: Clock;
  readonly random: Random;
}

export interface DnsForwarder {
  /** The first answer of the servers (`address` or `address#port`), asked in order; undefined when none answers. */
  forward(query: DnsQuery, servers: readonly string[]): Promise<Buffer | undefined>;
}

/** How long one server has, as resolvers are used to (resolv.conf(5): timeout 5). */
const SERVER_TIMEOUT_MS = 4_000;
/** Queries under way; beyond that they fail at once. */
const MAX_IN_FLIGHT = 1024;
const MAX_SERVERS = 3;
const DNS_PORT = 53;

export function dnsForwarder({ clock, random }: ForwarderOptions): DnsForwarder {
  let inFlight = 0;
  return {
    async forward(query, servers) {
      if (inFlight >= MAX_IN_FLIGHT) return undefined;
      inFlight++;
      try {
        for (const server of servers.slice(0, MAX_SERVERS)) {
          const answer = await ask(query, server, clock, random);
          if (answer) return answer;
        }
        return undefined;
      } finally {
        inFlight--;
      }
    },
  };
}

async function ask(query: DnsQuery, server: string, clock: Clock, random: Random): Promise<Buffer | undefined> {
  const [address = "", port = String(DNS_PORT)] = server.split("#");
  // A number of our own: whoever guesses answers must guess it too.
  const sent = Buffer.from(query.raw);
  Buffer.from(random.bytes(2)).copy(sent, 0);
  const exchange = query.transport === "tcp" ? askTcp : askUdp;
  const answer = await exchange(sent, address, Number(port), clock);
  if (!answer || answer.length < 12 || answer.readUInt16BE(0) !== sent.readUInt16BE(0)) return undefined;
  query.raw.copy(answer, 0, 0, 2);
  return answer;
}

function askUdp(sent: Buffer, address: string, port: number, clock: Clock): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    const socket = createSocket(isIPv6(address.split("%")[0] ?? "") ? "udp6" : "udp4");
    let finished = false;
    const finish = (answer: Buffer | undefined): void => {
      if (finished) return;
      finished = true;
      cancel();
      socket.close();
      resolve(answer);
    };
    const cancel = clock.after(SERVER_TIMEOUT_MS, () => finish(undefined));
    socket.on("error", () => finish(undefined));
    // Connected: the kernel passes on only what comes from that server.
    socket.once("connect", () => socket.send(sent));
    socket.connect(port, address);
    socket.on("message", (answer: Buffer) => {
      if (answer.length >= 2 && answer.readUInt16BE(0) === sent.readUInt16BE(0)) finish(answer);
    });
  });
}

function askTcp(sent: Buffer, address: string, port: number, clock: Clock): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    const head = Buffer.alloc(2);
    head.writeUInt16BE(sent.length);
    const socket = createConnection({ host: address, port }, () => socket.write(Buffer.concat([head, sent])));
    let received = Buffer.alloc(0);
    let answer: Buffer | undefined;
    const cancel = clock.after(SERVER_TIMEOUT_MS, () => socket.destroy());
    socket.on("data", (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      if (received.length < 2 || received.length < 2 + received.readUInt16BE(0)) return;
      answer = received.subarray(2, 2 + received.readUInt16BE(0));
      socket.destroy();
    });
    socket.once("error", () => socket.destroy());
    socket.once("close", () => {
      cancel();
      resolve(answer);
    });
  });
}
