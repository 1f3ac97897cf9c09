/** A small world for network tests: a fresh host, a neighbour on its LAN, and containers. */
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as dns from "dns-packet";
import { openListener } from "#linux/inet-sockets.ts";
import { inNetns } from "#linux/netns.ts";
import { openRtnetlink } from "#linux/rtnetlink.ts";
import type { Logger } from "#base/logger.ts";
import type { AttachRequest, Endpoint, NetworkConfig, Networks } from "#network/networks.ts";
import { openNetworks, type NetworksOptions } from "#network/open-networks.ts";
import { makeNetns, startConnection } from "./isolated-network.ts";

/** The host's address on the LAN, and the neighbour's. */
export const HOST_ADDRESS = "192.0.2.1";
export const NEIGHBOUR_ADDRESS = "192.0.2.2";

/** Plugs a neighbour into the host by a link `lan0`; it routes everything through the host. */
export async function makeNeighbour(): Promise<number> {
  const { pid } = await makeNetns();
  const host = openRtnetlink();
  host.addVeth({ name: "lan0", up: true }, { name: "eth0", netns: { pid } });
  host.addAddress({ link: host.link("lan0")?.index ?? 0, address: HOST_ADDRESS, prefixLength: 24 });
  host.close();
  inNetns(pid, () => {
    const inside = openRtnetlink();
    const link = inside.link("eth0")?.index ?? 0;
    inside.setLink(link, { up: true });
    inside.addAddress({ link, address: NEIGHBOUR_ADDRESS, prefixLength: 24 });
    inside.setRoute({ gateway: HOST_ADDRESS, link });
    inside.close();
  });
  return pid;
}

export function tempDir(): string {
  const path = mkdtempSync(join(tmpdir(), "gantry-network-"));
  process.once("exit", () => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** Keeps warnings and errors, so that a test can say that there were none. */
export function listeningLogger(): { logger: Logger; complaints: string[] } {
  const complaints: string[] = [];
  const complain = (fields: object, message: string): void =>
    void complaints.push(`${message} ${JSON.stringify(fields)}`);
  const logger: Logger = { debug() {}, info() {}, warn: complain, error: complain, child: () => logger };
  return { logger, complaints };
}

const open = new Set<Networks>();

/** For afterEach: what a failed test left open. */
export async function closeLabs(): Promise<void> {
  for (const networks of open) await networks.dismantle().then(networks.close, () => undefined);
  open.clear();
}

export async function openLab(stateDir: string, options: Partial<NetworksOptions> = {}): Promise<Networks> {
  const networks = await openNetworks({
    stateDir,
    instance: "",
    defaultBridge: { name: "gantry0", address: "172.17.0.1/16" },
    ...options,
  });
  open.add(networks);
  return networks;
}

export const bridgeNetwork = (name: string, change: Partial<NetworkConfig> = {}): NetworkConfig => ({
  name,
  driver: "bridge",
  internal: false,
  attachable: false,
  enableIPv6: false,
  ipam: [],
  options: {},
  labels: {},
  ...change,
});

export interface LabContainer {
  readonly pid: number;
  readonly owner: string;
  readonly endpoint: Endpoint;
  readonly end: () => Promise<void>;
}

/** A namespace attached to a network, as a container would be. */
export async function makeContainer(
  networks: Networks,
  name: string,
  request: Partial<AttachRequest> = {},
): Promise<LabContainer> {
  const { pid, end } = await makeNetns();
  const owner = request.owner ?? name.padEnd(64, "0");
  const endpoint = await networks.attach({
    owner,
    name,
    networkId: "bridge",
    pid,
    interfaceName: "eth0",
    aliases: [],
    ports: [],
    defaultGateway: true,
    ...request,
  });
  return { pid, owner, endpoint, end };
}

/** Asks the name server at `address` from inside `pid`'s namespace (or this thread's); the answers' data, or the rcode. */
export async function ask(
  pid: number | undefined,
  name: string,
  type: "A" | "AAAA" | "PTR" | "SRV" | "TXT",
  { address = "127.0.0.11", port = 53, tcp = false } = {},
): Promise<string[] | string> {
  const enter = <T>(run: () => T): T => (pid === undefined ? run() : inNetns(pid, run));
  const query = dns.encode({ type: "query", id: 77, flags: dns.RECURSION_DESIRED, questions: [{ type, name }] });
  const raw = await (tcp
    ? exchangeTcp(
        enter(() => startConnection(address, port)),
        query,
      )
    : exchangeUdp(enter, query, address, port));
  if (!raw) return "timeout";
  const answer = dns.decode(raw);
  const rcode = (answer.flags ?? 0) & 0xf;
  if (rcode !== 0) return ["", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED"][rcode] ?? String(rcode);
  return (answer.answers ?? []).map((each) => {
    if (!("data" in each)) return each.type;
    if (each.type === "SRV") return `${each.data.priority} ${each.data.weight} ${each.data.port} ${each.data.target}`;
    return typeof each.data === "string" ? each.data : JSON.stringify(each.data);
  });
}

async function exchangeUdp(
  enter: <T>(run: () => T) => T,
  query: Buffer,
  address: string,
  port: number,
): Promise<Buffer | undefined> {
  const { fd } = enter(() => openListener({ protocol: "udp", address: "0.0.0.0", port: 0 }));
  const socket = createSocket("udp4");
  socket.bind({ fd });
  socket.send(query, port, address);
  const answer = once(socket, "message").then(([message]) => message as Buffer);
  const raw = await Promise.race([
    answer,
    new Promise<undefined>((resolve) => setTimeout(() => resolve(undefined), 2000).unref()),
  ]);
  socket.close();
  return raw;
}

async function exchangeTcp(fd: number, query: Buffer): Promise<Buffer | undefined> {
  const socket = new Socket({ fd });
  const head = Buffer.alloc(2);
  head.writeUInt16BE(query.length);
  socket.write(Buffer.concat([head, query]));
  const [chunk] = (await once(socket, "data")) as [Buffer];
  socket.destroy();
  return chunk.subarray(2);
}
