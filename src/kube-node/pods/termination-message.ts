import { mkdir, open, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Container as EngineContainer, Engine } from "#containers/engine.ts";
import type { Container } from "#formats/kube-types.generated.ts";

/** As the kubelet: at most this much of the file, and of the log (80 lines of it). */
const MESSAGE_BYTES = 4096;
const LOG_BYTES = 2048;
const LOG_LINES = 80;

export const DEFAULT_TERMINATION_PATH = "/dev/termination-log";

/** The host's file that a run of a container sees as its termination message path. */
export function terminationFile(podDirectory: string, containerName: string, restartCount: number): string {
  return join(podDirectory, "termination", containerName, String(restartCount));
}

export async function makeTerminationFile(path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o711 });
  // Whoever the container runs as may write to it.
  await writeFile(path, "", { mode: 0o666 });
}

/** What a run left as its last words, by the container's termination message policy. */
export async function terminationMessage(
  engine: Engine,
  container: Container,
  run: EngineContainer,
  exitCode: number,
  path: string,
): Promise<string> {
  const written = await readHead(path);
  if (written !== "" || container.terminationMessagePolicy !== "FallbackToLogsOnError" || exitCode === 0)
    return written;
  const stream = await engine.logs(run.id, {
    stdout: true,
    stderr: true,
    follow: false,
    timestamps: false,
    tail: LOG_LINES,
    framing: "raw",
  });
  let tail = Buffer.alloc(0);
  for await (const chunk of stream) tail = Buffer.concat([tail, chunk as Buffer]).subarray(-LOG_BYTES);
  return tail.toString("utf8");
}

async function readHead(path: string): Promise<string> {
  const file = await open(path, "r").catch(() => undefined);
  if (!file) return "";
  try {
    const { bytesRead, buffer } = await file.read(Buffer.alloc(MESSAGE_BYTES), 0, MESSAGE_BYTES, 0);
    return buffer.subarray(0, bytesRead).toString("utf8");
  } finally {
    await file.close();
  }
}
