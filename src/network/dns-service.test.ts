import assert from "node:assert/strict";
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { createConnection } from "node:net";
import { after, test } from "node:test";
import * as dns from "dns-packet";
import { silentLogger } from "#base/logger.ts";
import { seededRandom } from "#base/random.ts";
import { encodeAnswer, openDnsSockets, RCODE, serveDns, type Answerer, type DnsService } from "./dns-service.ts";

const open: { close(): void }[] = [];
after(() => open.forEach((each) => each.close()));

function serve(answer: Answerer): DnsService {
  const service = serveDns(openDnsSockets({ address: "127.0.0.1", port: 0 }), answer, silentLogger);
  open.push(service);
  return service;
}

function client(): Socket {
  const socket = createSocket("udp4");
  open.push(socket);
  return socket;
}

const query = (name: string, options: Partial<dns.Packet> = {}): Buffer =>
  dns.encode({ type: "query", id: 5, flags: dns.RECURSION_DESIRED, questions: [{ type: "A", name }], ...options });

const rcodeOf = ({ flags }: dns.DecodedPacket): number => (flags ?? 0) & 0xf;

async function exchange(port: number, raw: Buffer): Promise<dns.DecodedPacket> {
  const socket = client();
  socket.send(raw, port, "127.0.0.1");
  const [answer] = (await once(socket, "message")) as [Buffer];
  return dns.decode(answer);
}

test("a handler that fails or knows nothing is answered with SERVFAIL", async () => {
  const service = serve(async ({ name }) => {
    if (name === "throws") throw new Error("no");
    return undefined;
  });
  for (const name of ["throws", "unknown"]) {
    const answer = await exchange(service.port, query(name));
    assert.deepEqual([rcodeOf(answer), answer.id, answer.questions?.[0]?.name], [RCODE.SERVFAIL, 5, name]);
  }
});

test("what does not fit into a datagram is cut, comes whole with EDNS and over TCP", async () => {
  const service = serve(async (asked) =>
    encodeAnswer(asked, {
      answers: Array.from({ length: 60 }, (_, n) => ({ type: "A", name: asked.name, ttl: 1, data: `10.0.0.${n}` })),
    }),
  );
  const cut = await exchange(service.port, query("many"));
  assert.deepEqual([cut.flag_tc, cut.answers?.length], [true, 0]);
  const additionals: dns.Answer[] = [
    {
      type: "OPT",
      name: ".",
      udpPayloadSize: 4096,
      extendedRcode: 0,
      ednsVersion: 0,
      flags: 0,
      flag_do: false,
      options: [],
    },
  ];
  assert.equal((await exchange(service.port, query("many", { additionals }))).answers?.length, 60);
  const socket = createConnection(service.port, "127.0.0.1");
  const raw = query("many");
  // Two queries in one go, cut in the middle of the second.
  const both = Buffer.concat([raw, raw].flatMap((each) => [Buffer.of(0, each.length), each]));
  socket.write(both.subarray(0, raw.length + 5));
  setTimeout(() => socket.write(both.subarray(raw.length + 5)), 20);
  let received = Buffer.alloc(0);
  for await (const chunk of socket) {
    received = Buffer.concat([received, chunk as Buffer]);
    if (received.length >= 2 * (2 + received.readUInt16BE(0))) break;
  }
  assert.equal(dns.decode(received.subarray(2, 2 + received.readUInt16BE(0))).answers?.length, 60);
});

test("garbage neither ends the service nor is answered", async () => {
  const service = serve(async (asked) =>
    encodeAnswer(asked, { answers: [{ type: "A", name: asked.name, ttl: 1, data: "10.0.0.1" }] }),
  );
  const random = seededRandom(7);
  const socket = client();
  for (let times = 0; times < 500; times++) {
    const raw = times % 2 ? Buffer.from(random.bytes(Math.floor(random.next() * 80))) : query("a.b.c.example");
    for (let flips = 0; flips < 4 && raw.length > 0; flips++)
      raw[Math.floor(random.next() * raw.length)] = Math.floor(random.next() * 256);
    await new Promise((resolve) => socket.send(raw, service.port, "127.0.0.1", resolve));
    const stream = times % 50 === 0 ? createConnection(service.port, "127.0.0.1") : undefined;
    stream?.on("error", () => undefined).end(raw);
    // The kernel drops what the service has no time to read.
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.equal((await exchange(service.port, query("still.there"))).answers?.length, 1);
});

test("queries beyond what is in work at most are refused", async () => {
  const waiting: (() => void)[] = [];
  const service = serve((asked) => new Promise((resolve) => waiting.push(() => resolve(encodeAnswer(asked, {})))));
  const socket = client();
  const refused = once(socket, "message");
  for (let times = 0; times < 1100; times++) {
    await new Promise((resolve) => socket.send(query("slow", { id: times }), service.port, "127.0.0.1", resolve));
    await new Promise((resolve) => setImmediate(resolve));
  }
  const [answer] = (await refused) as [Buffer];
  assert.equal(rcodeOf(dns.decode(answer)), RCODE.REFUSED);
  for (const release of waiting) release();
});
