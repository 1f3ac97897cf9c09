/** Tests' own network: nothing that they make touches the machine's, and all of it goes with its holders. */
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readlinkSync } from "node:fs";
import { after } from "node:test";
import { inNetns, openNetns } from "#linux/netns.ts";
import { openRtnetlink, LOOPBACK_INDEX } from "#linux/rtnetlink.ts";
import { CLONE_NEWNET, close, setns } from "#linux/syscalls.ts";

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
