/** Tests' own network: nothing that they make touches the machine's, and all of it goes with its holders. */
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readlinkSync } from "node:fs";
import { createServer, Socket } from "node:net";
import { after } from "node:test";
import { openListener } from "#linux/inet-sockets.ts";
import { inNetns, openNetns } from "#linux/netns.ts";
import { addressBytes, openRtnetlink, LOOPBACK_INDEX } from "#linux/rtnetlink.ts";
import { AF_INET, AF_INET6, connect, SOCK_NONBLOCK, SOCK_STREAM, socket } from "#linux/sockets.ts";
import { CLONE_NEWNET, close, isSyscallError, setns } from "#linux/syscalls.ts";

const holders = new Set<ChildProcess>();
after(() => holders.forEach((holder) => holder.kill("SIGKILL")));

/** A process that holds a network namespace of its own, loopback up. It ends with the test file. */
export async function makeNetns(): Promise<{ pid: number; end: () => Promise<void> }> {
  const holder = spawn("unshare", ["--net", "sh", "-c", "echo ready; exec sleep 600"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  holders.add(holder);
  await once(holder.stdout, "data");
  const pid = holder.pid;
  if (pid === undefined) throw new Error("unshare did not start");
  inNetns(pid, loopbackUp);
  return {
    pid,
    async end() {
      holder.kill("SIGKILL");
      if (holder.exitCode === null && holder.signalCode === null) await once(holder, "exit");
      holders.delete(holder);
    },
  };
}

/** Moves this test file's main thread (and what it spawns from then on) into a fresh network namespace: its "host". */
export async function enterFreshHost(): Promise<void> {
  const holder = spawn("unshare", ["--net", "sh", "-c", "echo ready; exec sleep 600"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  holders.add(holder);
  await once(holder.stdout, "data");
  const fd = openNetns(holder.pid ?? 0);
  setns(fd, CLONE_NEWNET);
  close(fd);
  loopbackUp();
}

function loopbackUp(): void {
  const rtnetlink = openRtnetlink();
  rtnetlink.setLink(LOOPBACK_INDEX, { up: true });
  rtnetlink.close();
}

/** The identity of the calling thread's network namespace: net:[4026531840]. */
export function currentNetns(): string {
  return readlinkSync("/proc/thread-self/ns/net");
}

/** Runs a command in this thread's namespace, or in that of `pid`; its output whatever comes of it. */
export function sh(command: string, pid?: number): { code: number | null; out: string } {
  const argv = pid === undefined ? ["sh", "-c", command] : ["nsenter", "-t", String(pid), "-n", "sh", "-c", command];
  const { status, stdout, stderr } = spawnSync(argv[0] ?? "", argv.slice(1), { encoding: "utf8", timeout: 20_000 });
  return { code: status, out: stdout + stderr };
}

/** What a connection from this thread's namespace, or that of `pid`, brings until it ends or `waitMs` pass. */
export function dial(pid: number | undefined, address: string, port: number, waitMs = 1500): Promise<string> {
  const enter = <T>(run: () => T): T => (pid === undefined ? run() : inNetns(pid, run));
  let fd: number;
  try {
    fd = enter(() => startConnection(address, port));
  } catch (error) {
    return Promise.resolve(isSyscallError(error) ? error.code : String(error));
  }
  return new Promise((resolve) => {
    const socket = new Socket({ fd });
    let text = "";
    const finish = (how: string): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(text === "" ? how : text);
    };
    const timer = setTimeout(() => finish("timeout"), waitMs);
    socket.setEncoding("utf8");
    socket.on("data", (chunk: string) => (text += chunk));
    socket.on("error", (error: NodeJS.ErrnoException) => finish(error.code ?? String(error)));
    socket.on("end", () => finish("closed"));
  });
}

/** A socket whose connection is under way. */
export function startConnection(address: string, port: number): number {
  const ip = addressBytes(address);
  const sockaddr = Buffer.alloc(ip.length === 4 ? 16 : 28);
  sockaddr.writeUInt16LE(ip.length === 4 ? AF_INET : AF_INET6, 0);
  sockaddr.writeUInt16BE(port, 2);
  sockaddr.set(ip, ip.length === 4 ? 4 : 8);
  const fd = socket(ip.length === 4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_NONBLOCK, 0);
  try {
    connect(fd, sockaddr);
  } catch (error) {
    if (!isSyscallError(error, "EINPROGRESS")) throw error;
  }
  return fd;
}

/** A TCP server in the namespace of `pid` (or this thread's) that tells each client who it is and whom it sees. */
export function greet(pid: number | undefined, address: string, port: number, text: string): () => void {
  const enter = <T>(run: () => T): T => (pid === undefined ? run() : inNetns(pid, run));
  const { fd } = enter(() => openListener({ protocol: "tcp", address, port }));
  const server = createServer((client) => {
    client.on("error", () => client.destroy());
    client.end(`${text} sees ${client.remoteAddress ?? "?"}`);
  });
  server.listen({ fd });
  const close = (): void => void server.close();
  closers.push(close);
  return close;
}

const closers: (() => void)[] = [];
after(() => closers.forEach((close) => close()));
