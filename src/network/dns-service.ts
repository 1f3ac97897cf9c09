/** Serves DNS (RFC 1035) on a pair of sockets, which may lie in another network namespace. */
import { createSocket } from "node:dgram";
import { createServer, type Server, type Socket } from "node:net";
import * as dns from "dns-packet";
import { errorText } from "#base/errors.ts";
import type { Logger } from "#base/logger.ts";
import { openListener } from "#linux/inet-sockets.ts";
import { close } from "#linux/syscalls.ts";

export type Transport = "udp" | "tcp";

export interface DnsQuery {
  readonly name: string;
  /** "A", "AAAA", "PTR", "SRV", ... */
  readonly type: string;
  readonly packet: dns.DecodedPacket;
  /** As it came, for forwarding. */
  readonly raw: Buffer;
  readonly transport: Transport;
}

/** The whole answer, encoded; undefined says SERVFAIL. */
export type Answerer = (query: DnsQuery) => Promise<Buffer | undefined>;

/** An answer that is known without looking at the query's parts; undefined: there is none. */
export type QuickAnswerer = (raw: Buffer, transport: Transport) => Buffer | undefined;

export interface DnsService {
  readonly port: number;
  close(): void;
}

/** Queries in work at one service; further ones are refused (REFUSED) until some are done. */
const MAX_IN_WORK = 1024;
/** Connections at one service, and how long an idle one lasts. */
const MAX_CONNECTIONS = 128;
const IDLE_TIMEOUT_MS = 10_000;
/** RFC 1035, section 4.2.1: without EDNS, a longer answer is cut. */
const PLAIN_UDP_BYTES = 512;

export const RCODE = { NOERROR: 0, FORMERR: 1, SERVFAIL: 2, NXDOMAIN: 3, NOTIMP: 4, REFUSED: 5 } as const;

export interface ServicePlace {
  readonly address: string;
  /** 0: any port, the same for UDP and TCP. */
  readonly port: number;
}

/** Opens both sockets in the namespace the thread is in. Throws SyscallError EADDRINUSE. */
export function openDnsSockets({ address, port }: ServicePlace): { udp: number; tcp: number; port: number } {
  for (let tries = 1; ; tries++) {
    const udp = openListener({ protocol: "udp", address, port });
    try {
      return { udp: udp.fd, tcp: openListener({ protocol: "tcp", address, port: udp.port }).fd, port: udp.port };
    } catch (error) {
      close(udp.fd);
      // Somebody else has that port for TCP: another one will do, unless it was asked for.
      if (port !== 0 || tries === 16) throw error;
    }
  }
}

/** Takes the sockets over. */
export function serveDns(
  sockets: { udp: number; tcp: number; port: number },
  answer: Answerer,
  logger: Logger,
  quick: QuickAnswerer = () => undefined,
): DnsService {
  let inWork = 0;
  let closed = false;
  const work = async (raw: Buffer, transport: Transport): Promise<Buffer | undefined> => {
    const query = decodeQuery(raw, transport);
    if (!query) return undefined;
    if (inWork >= MAX_IN_WORK) return failure(query, RCODE.REFUSED);
    inWork++;
    try {
      return (await answer(query)) ?? failure(query, RCODE.SERVFAIL);
    } catch (error) {
      logger.warn({ name: query.name, type: query.type, error: errorText(error) }, "could not answer a name query");
      return failure(query, RCODE.SERVFAIL);
    } finally {
      inWork--;
    }
  };
  const udp = createSocket("udp4");
  udp.on("error", (error) => logger.warn({ error: errorText(error) }, "name server socket"));
  udp.on("message", (raw: Buffer, from) => {
    const known = quick(raw, "udp");
    if (known) return udp.send(known, from.port, from.address, () => undefined);
    void work(raw, "udp").then((reply) => {
      // The service may have been closed while the answer was looked for.
      if (reply && !closed) udp.send(reply, from.port, from.address, () => undefined);
    });
  });
  udp.bind({ fd: sockets.udp });
  udp.unref();
  const tcp = serveTcp(sockets.tcp, (raw) => work(raw, "tcp"));
  tcp.on("error", (error) => logger.warn({ error: errorText(error) }, "name server socket"));
  return {
    port: sockets.port,
    close() {
      closed = true;
      udp.close();
      tcp.close();
      for (const connection of connectionsOf(tcp)) connection.destroy();
    },
  };
}

const connections = new WeakMap<Server, Set<Socket>>();

function connectionsOf(server: Server): Set<Socket> {
  const found = connections.get(server) ?? new Set<Socket>();
  connections.set(server, found);
  return found;
}

function serveTcp(fd: number, work: (raw: Buffer) => Promise<Buffer | undefined>): Server {
  const server = createServer((socket) => {
    const open = connectionsOf(server);
    open.add(socket);
    socket.on("close", () => open.delete(socket));
    socket.on("error", () => socket.destroy());
    socket.setTimeout(IDLE_TIMEOUT_MS, () => socket.destroy());
    let pending = Buffer.alloc(0);
    socket.on("data", (chunk: Buffer) => {
      pending = Buffer.concat([pending, chunk]);
      // One query at a time: the next is read when this one is answered.
      const length = pending.length >= 2 ? pending.readUInt16BE(0) : Infinity;
      if (pending.length < 2 + length) return;
      const raw = pending.subarray(2, 2 + length);
      const rest = pending.subarray(2 + length);
      pending = Buffer.alloc(0);
      socket.pause();
      void work(raw).then((reply) => {
        if (!reply || socket.destroyed) return socket.destroy();
        const head = Buffer.alloc(2);
        head.writeUInt16BE(reply.length);
        socket.write(Buffer.concat([head, reply]));
        if (rest.length > 0) socket.unshift(rest);
        return socket.resume();
      });
    });
  });
  server.maxConnections = MAX_CONNECTIONS;
  server.listen({ fd });
  server.unref();
  return server;
}

/** A query has one question, no answers, and at most EDNS and a signature besides; what else a header claims is not looked at. */
function looksLikeQuery(raw: Buffer): boolean {
  const HEADER_BYTES = 12;
  const RESPONSE_AND_OPCODE = 0xf8;
  if (raw.length < HEADER_BYTES || raw.readUInt8(2) & RESPONSE_AND_OPCODE) return false;
  const [questions, answers, authorities, additionals] = [4, 6, 8, 10].map((at) => raw.readUInt16BE(at));
  return questions === 1 && answers === 0 && authorities === 0 && (additionals ?? 0) <= 2;
}

function decodeQuery(raw: Buffer, transport: Transport): DnsQuery | undefined {
  if (!looksLikeQuery(raw)) return undefined;
  try {
    const packet = dns.decode(raw);
    const [question] = packet.questions ?? [];
    if (!question) return undefined;
    return { name: question.name, type: question.type, packet, raw, transport };
  } catch {
    // What does not parse cannot be answered either: it has no question to repeat.
    return undefined;
  }
}

/** The query itself, marked as answered: nothing is encoded, so that nothing can fail. */
function failure({ raw }: DnsQuery, rcode: number): Buffer {
  const RESPONSE = 0x80;
  const RECURSION_AVAILABLE = 0x80;
  const answer = Buffer.from(raw);
  answer.writeUInt8(answer.readUInt8(2) | RESPONSE, 2);
  answer.writeUInt8(RECURSION_AVAILABLE | rcode, 3);
  return answer;
}

export interface AnswerParts {
  readonly rcode?: number;
  readonly answers?: dns.Answer[];
  readonly additionals?: dns.Answer[];
  readonly authorities?: dns.Answer[];
}

/** Encodes an authoritative answer to `query`, cut when the asker cannot take so much over UDP. */
export function encodeAnswer(
  query: DnsQuery,
  { rcode = RCODE.NOERROR, answers = [], additionals = [], authorities = [] }: AnswerParts,
): Buffer {
  const { id, flags, questions } = query.packet;
  const base = {
    type: "response",
    id: id ?? 0,
    flags: ((flags ?? 0) & dns.RECURSION_DESIRED) | dns.RECURSION_AVAILABLE | dns.AUTHORITATIVE_ANSWER | rcode,
    ...(questions ? { questions } : {}),
  } as const;
  const whole = dns.encode({ ...base, answers, additionals, authorities });
  if (query.transport === "tcp" || whole.length <= udpLimit(query)) return whole;
  return dns.encode({ ...base, flags: base.flags | dns.TRUNCATED_RESPONSE });
}

function udpLimit({ packet }: DnsQuery): number {
  for (const extra of packet.additionals ?? []) {
    if (extra.type === "OPT") return Math.max(PLAIN_UDP_BYTES, extra.udpPayloadSize);
  }
  return PLAIN_UDP_BYTES;
}
