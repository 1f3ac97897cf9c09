import type { Socket } from "node:net";
import { GantryError } from "#base/errors.ts";
import type { Shim, ShimEvent } from "../shim.ts";
import { readExitFiles } from "./exit-files.ts";
import { FRAME, frameDecoder, PROTOCOL_VERSION, type Frame } from "./frames.ts";
import { heldSignal } from "./held-signal.ts";
import { shimMethods } from "./methods.ts";
import { requestTable } from "./request-table.ts";
import { readExit, readFailure } from "./values.ts";

/** Speaks to a shim over its control connection; resolves when the shim has said hello. */
export function shimClient(directory: string, socket: Socket): Promise<Shim> {
  const events = heldSignal<ShimEvent>();
  const requests = requestTable(socket);
  /** Ids not acknowledged yet: while there is one, the end of the connection is a loss. */
  const known = new Set<string>();
  let isOurs = true;
  const disconnect = (): void => {
    isOurs = false;
    socket.destroy();
  };
  return new Promise((resolve, reject) => {
    const handle = (frame: Frame): void => {
      if (frame.request !== 0) return requests.settle(frame);
      if (frame.kind === FRAME.failed) return reject(readFailure(frame.body, undefined));
      if (frame.kind === FRAME.hello) {
        const pid = greeted(frame, directory);
        if (pid instanceof GantryError) return reject(pid);
        return resolve({ pid, events, disconnect, ...shimMethods(directory, requests, known) });
      }
      const event = readEvent(frame);
      if (event?.kind === "exit") known.add(event.id);
      if (event) events.emit(event);
    };
    listen(socket, handle, () => {
      const gone = new GantryError("unavailable", `the shim in ${directory} is gone`, { directory });
      reject(gone);
      requests.fail(gone);
      if (isOurs && known.size > 0) void tellLoss(directory, known, events.emit);
    });
  });
}

function listen(socket: Socket, handle: (frame: Frame) => void, closed: () => void): void {
  const decoder = frameDecoder();
  socket.on("data", (chunk: Buffer) => {
    decoder.push(chunk);
    for (let frame = decoder.next(); frame; frame = decoder.next()) handle(frame);
  });
  // The shim never closes one direction alone.
  socket.once("end", () => socket.destroy());
  // An error is followed by close, which says all that is needed.
  socket.on("error", () => undefined);
  socket.once("close", closed);
}

/** The shim's process id, or why it cannot be spoken to. */
function greeted({ body }: Frame, directory: string): number | GantryError {
  const version = body.u32();
  if (version === PROTOCOL_VERSION) return body.u32();
  return new GantryError("unsupported", `the shim in ${directory} speaks protocol ${version}, not ${PROTOCOL_VERSION}`);
}

function readEvent({ kind, body }: Frame): ShimEvent | undefined {
  if (kind === FRAME.oom) return { kind: "oom" };
  if (kind === FRAME.exit) return { kind: "exit", id: body.string(), exit: readExit(body) };
  if (kind === FRAME.notify) return { kind: "notify", id: body.string(), pid: body.u32(), tag: body.string() };
  return undefined;
}

/** The shim was killed: what it had recorded is still told. */
async function tellLoss(
  directory: string,
  known: ReadonlySet<string>,
  emit: (event: ShimEvent) => void,
): Promise<void> {
  emit({ kind: "lost" });
  for (const [id, exit] of await readExitFiles(directory)) if (known.has(id)) emit({ kind: "exit", id, exit });
}
