import type { Engine } from "#containers/engine.ts";
import { demultiplexer } from "./demultiplex.ts";

/** Output of a probe or hook that is kept (kubelet: maxProbeMessageLength, 10 KiB); the rest is read and dropped. */
const KEPT_BYTES = 10 * 1024;

/** Runs a command in a container to its end, or for `timeoutMs`: then it fails in the kubelet's words. */
export async function execCapture(
  engine: Engine,
  containerId: string,
  command: readonly string[],
  timeoutMs: number,
): Promise<{ code: number; output: string }> {
  const { id } = await engine.createExec(containerId, {
    args: command,
    env: [],
    privileged: false,
    terminal: false,
    stdin: false,
    stdout: true,
    stderr: true,
  });
  const kept: Buffer[] = [];
  let size = 0;
  const stream = await engine.startExec(id, { detach: false });
  const feed = demultiplexer((_, data) => {
    if (size < KEPT_BYTES) kept.push(data.subarray(0, KEPT_BYTES - size));
    size += data.length;
  });
  stream?.on("data", feed);
  stream?.on("error", () => stream.destroy());
  const timeout = Promise.withResolvers<undefined>();
  const timer = setTimeout(() => timeout.resolve(undefined), timeoutMs);
  const code = await Promise.race([engine.waitExec(id), timeout.promise]);
  clearTimeout(timer);
  const output = Buffer.concat(kept).toString("utf8");
  if (code !== undefined) return { code, output };
  stream?.destroy();
  killExec(engine, id);
  return { code: -1, output: `command timed out: "${command.join(" ")}" timed out after ${timeoutMs / 1000}s` };
}

/** The process of an exec that has outlived its time: by pid, in the host's namespace. */
function killExec(engine: Engine, execId: string): void {
  const { state } = engine.exec(execId);
  if (state.status !== "running") return;
  try {
    process.kill(state.pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
