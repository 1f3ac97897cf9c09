import { pipeline, type Readable, type Writable } from "node:stream";
import { finished } from "node:stream/promises";
import type { ProcessStreams } from "../node-streams.ts";
import { statusOf } from "../status.ts";
import type { CommandChannels } from "./channels.ts";

const SUCCESS = { metadata: {}, status: "Success" };
/** Output still on its way when the process has ended gets this long. */
const FLUSH_MS = 5000;

/** Connects a process with its client until one of them ends, and tells the client how (remotecommand's Status forms). */
export async function runRemoteCommand(start: () => Promise<ProcessStreams>, channels: CommandChannels): Promise<void> {
  let process_: ProcessStreams;
  try {
    process_ = await start();
  } catch (error) {
    channels.finish(statusOf(error));
    return;
  }
  const { stdin, stdout, stderr, exit } = process_;
  // A process that ends without reading its input, or whose streams break off, tells so by its exit.
  for (const stream of [stdin, stdout, stderr]) stream?.on("error", ignore);
  channels.gone.addEventListener("abort", () => destroyAll(process_));
  if (channels.gone.aborted) destroyAll(process_);
  if (channels.stdin) connect(channels.stdin, stdin);
  if (channels.resize) followSizes(channels.resize, process_);
  const outputs = [copyOut(stdout, channels.stdout), ...(stderr ? [copyOut(stderr, channels.stderr)] : [])];
  try {
    const code = await exit;
    await Promise.race([Promise.all(outputs), delay(FLUSH_MS)]);
    channels.finish(code === 0 ? SUCCESS : exitStatus(code));
  } catch (error) {
    channels.finish(statusOf(error));
  } finally {
    destroyAll(process_);
  }
}

function ignore(): void {
  return undefined;
}

function destroyAll({ stdin, stdout, stderr }: ProcessStreams): void {
  for (const stream of [stdin, stdout, stderr]) stream?.destroy();
}

function connect(from: Readable, to: Writable): void {
  // Whichever side goes first, the other learns of it by its own end.
  pipeline(from, to, () => undefined);
}

/** Resolves when all output has been handed over; without a taker it is read and dropped, so that the process goes on. */
function copyOut(from: Readable, to: Writable | undefined): Promise<void> {
  if (to) from.pipe(to, { end: false });
  else from.resume();
  return finished(from, { writable: false }).catch(() => undefined);
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => void setTimeout(resolve, ms).unref());
}

function exitStatus(code: number): object {
  return {
    metadata: {},
    status: "Failure",
    message: `command terminated with non-zero exit code: exit status ${code}`,
    reason: "NonZeroExitCode",
    details: { causes: [{ reason: "ExitCode", message: String(code) }] },
  };
}

/** Sizes come as `{"Width":80,"Height":24}`, one after the other. */
function followSizes(resize: Readable, { resize: apply }: ProcessStreams): void {
  let text = "";
  resize.on("data", (chunk: Buffer) => {
    text = (text + chunk.toString()).slice(-4096);
    for (let end = text.indexOf("}"); end >= 0; end = text.indexOf("}")) {
      const size = parseSize(text.slice(0, end + 1));
      text = text.slice(end + 1);
      if (size) apply(size.rows, size.columns);
    }
  });
  resize.on("error", () => undefined);
}

function parseSize(text: string): { rows: number; columns: number } | undefined {
  try {
    const { Width: columns, Height: rows } = JSON.parse(text) as { Width?: unknown; Height?: unknown };
    const valid = (value: unknown): value is number =>
      Number.isInteger(value) && Number(value) > 0 && Number(value) < 65_536;
    return valid(columns) && valid(rows) ? { rows, columns } : undefined;
  } catch {
    // A size that cannot be read changes nothing.
    return undefined;
  }
}
