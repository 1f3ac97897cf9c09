import { errorText } from "#base/errors.ts";
import type { Clock } from "#base/clock.ts";
import type { Execs } from "../exec/exec.ts";
import type { Entry } from "../lifecycle/entry.ts";
import type { HealthPlan, ProbeResult } from "./health.ts";

const SIGKILL = 9;
/** moby, daemon/health: maxOutputLen. */
const KEPT_BYTES = 4096;

/** Runs a check in its container, for as long as it may take; what it prints is its explanation. Never rejects. */
export async function probe(
  execs: Execs,
  clock: Clock,
  entry: Entry,
  plan: HealthPlan,
  signal: AbortSignal,
): Promise<ProbeResult> {
  const start = clock.now();
  try {
    const { exitCode, output } = await run(execs, clock, entry, plan, signal);
    return { start, end: clock.now(), exitCode, output };
  } catch (error) {
    return { start, end: clock.now(), exitCode: -1, output: errorText(error) };
  }
}

async function run(
  execs: Execs,
  clock: Clock,
  entry: Entry,
  plan: HealthPlan,
  signal: AbortSignal,
): Promise<{ exitCode: number; output: string }> {
  const { id } = execs.create(entry.id, {
    args: plan.args,
    env: [],
    privileged: false,
    terminal: false,
    stdin: false,
    stdout: true,
    stderr: true,
  });
  const stream = await execs.start(id, { detach: false });
  const output = keepOutput();
  stream?.on("data", (chunk: Buffer) => output.push(chunk));
  // The end of the exec is told by its exit.
  stream?.on("error", () => stream.destroy());
  const cut = Promise.withResolvers<"late" | "stopped">();
  const stop = (): void => cut.resolve("stopped");
  signal.addEventListener("abort", stop, { once: true });
  const cancel = clock.after(plan.timeoutMs, () => cut.resolve("late"));
  try {
    const outcome = await Promise.race([execs.wait(id), cut.promise]);
    if (typeof outcome === "number") return { exitCode: outcome, output: output.text() };
    await execs.signal(id, SIGKILL);
    const text = output.text();
    const late = `Health check exceeded timeout (${durationText(plan.timeoutMs)})`;
    return { exitCode: -1, output: text === "" ? late : `${late}: ${text}` };
  } finally {
    cancel();
    signal.removeEventListener("abort", stop);
    stream?.destroy();
  }
}

/** Takes the frames of Docker's stream apart, and keeps the beginning of both outputs together. */
function keepOutput(): { push(chunk: Buffer): void; text(): string } {
  let pending = Buffer.alloc(0);
  let kept = Buffer.alloc(0);
  let cut = false;
  return {
    push(chunk) {
      pending = Buffer.concat([pending, chunk]);
      while (pending.length >= 8) {
        const length = pending.readUInt32BE(4);
        if (pending.length < 8 + length) return;
        const room = KEPT_BYTES - kept.length;
        kept = Buffer.concat([kept, pending.subarray(8, 8 + Math.min(length, room))]);
        cut ||= length > room;
        pending = pending.subarray(8 + length);
      }
    },
    text: () => `${kept.toString("utf8")}${cut ? "..." : ""}`,
  };
}

/** As Go prints a duration: 500ms, 1.5s, 2m0s. */
function durationText(ms: number): string {
  if (ms < 1000) return `${ms}ms`;
  const minutes = Math.floor(ms / 60_000);
  const seconds = (ms % 60_000) / 1000;
  return minutes > 0 ? `${minutes}m${seconds}s` : `${seconds}s`;
}
