import type { Socket } from "node:net";
import { GantryError } from "#base/errors.ts";
import type { LaunchPlan } from "../launch-plan.ts";
import type { Shim, ShimEvent } from "../shim.ts";
import { attachStream } from "./attach.ts";
import type { ByteReader, ByteWriter } from "./bytes.ts";
import { heldSignal } from "./held-signal.ts";
import { readExitFiles } from "./exit-files.ts";
import { encodeFrame, FRAME, frameDecoder, PROTOCOL_VERSION, type Frame } from "./frames.ts";
import { readExit, readFailure, readProcess, writeSpawn } from "./values.ts";

interface Pending {
  readonly plan: LaunchPlan | undefined;
  resolve(body: ByteReader): void;
  reject(error: GantryError): void;
}

/** Speaks to a shim over its control connection; resolves when the shim has said hello. */
export function shimClient(directory: string, socket: Socket): Promise<Shim> {
  const events = heldSignal<ShimEvent>();
  const requests = new Map<number, Pending>();
  /** Plans of processes that may still fail to start, for the names of their steps. */
  const plans = new Map<string, LaunchPlan>();
  /** Ids not acknowledged yet: while there is one, the end of the connection is a loss. */
  const known = new Set<string>();
  const decoder = frameDecoder();
  let lastRequest = 0;
  let open = true;

  const request = (kind: number, write: (body: ByteWriter) => void, plan?: LaunchPlan): Promise<ByteReader> =>
    new Promise((resolve, reject) => {
      if (!open) return reject(shimGone(directory));
      const id = ++lastRequest;
      requests.set(id, { plan, resolve, reject });
      socket.write(encodeFrame(kind, id, write));
    });
  const about = (id: string) => (body: ByteWriter) => body.string(id);

  const shim: Omit<Shim, "pid"> = {
    events,
    async spawn(id, plan, io) {
      const process = readProcess(await request(FRAME.spawn, (body) => writeSpawn(body, id, plan, io), plan));
      known.add(id);
      if (process.state === "paused") plans.set(id, plan);
      return process;
    },
    async resume(id) {
      const plan = plans.get(id) ?? { steps: [] };
      plans.delete(id);
      try {
        await request(FRAME.resume, about(id), plan);
      } catch (error) {
        known.delete(id);
        throw error;
      }
    },
    async processes() {
      const body = await request(FRAME.list, () => undefined);
      const processes = [];
      while (body.left > 0) processes.push(readProcess(body));
      for (const { id } of processes) known.add(id);
      return processes;
    },
    async signal(id, signal) {
      const body = await request(FRAME.signal, (frame) => {
        frame.string(id);
        frame.u32(signal);
      });
      return body.left > 0 && body.byte() === 1;
    },
    async resize(id, rows, columns) {
      await request(FRAME.resize, (body) => {
        body.string(id);
        body.u32(rows);
        body.u32(columns);
      });
    },
    attach: async (id, streams) => (await attachStream(directory, id, streams, false)).stream,
    attachAfterLog: (id, streams) => attachStream(directory, id, streams, true),
    async reopenLog(id) {
      await request(FRAME.reopenLog, about(id));
    },
    async acknowledge(id) {
      known.delete(id);
      await request(FRAME.acknowledge, about(id));
    },
    disconnect() {
      open = false;
      socket.destroy();
    },
  };

  return new Promise((resolve, reject) => {
    const handle = (frame: Frame): void => {
      if (frame.kind === FRAME.hello) return greet(frame.body);
      if (frame.request !== 0) return settle(frame);
      if (frame.kind === FRAME.failed) return reject(readFailure(frame.body, undefined));
      const event = readEvent(frame);
      if (event?.kind === "exit") known.add(event.id);
      if (event) events.emit(event);
    };
    const greet = (body: ByteReader): void => {
      const version = body.u32();
      if (version === PROTOCOL_VERSION) return resolve({ ...shim, pid: body.u32() });
      reject(
        new GantryError("unsupported", `the shim in ${directory} speaks protocol ${version}, not ${PROTOCOL_VERSION}`),
      );
      socket.destroy();
    };
    const settle = ({ request: id, kind, body }: Frame): void => {
      const pending = requests.get(id);
      requests.delete(id);
      if (kind === FRAME.ok) pending?.resolve(body);
      else pending?.reject(readFailure(body, pending.plan));
    };
    socket.on("data", (chunk: Buffer) => {
      decoder.push(chunk);
      for (let frame = decoder.next(); frame; frame = decoder.next()) handle(frame);
    });
    // The shim never closes one direction alone.
    socket.once("end", () => socket.destroy());
    // An error is followed by close, which says all that is needed.
    socket.on("error", () => undefined);
    socket.once("close", () => {
      const wasOpen = open;
      open = false;
      reject(shimGone(directory));
      for (const pending of requests.values()) pending.reject(shimGone(directory));
      requests.clear();
      if (wasOpen && known.size > 0) void tellLoss(directory, known, events.emit);
    });
  });
}

function shimGone(directory: string): GantryError {
  return new GantryError("unavailable", `the shim in ${directory} is gone`, { directory });
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

function readEvent({ kind, body }: Frame): ShimEvent | undefined {
  if (kind === FRAME.oom) return { kind: "oom" };
  if (kind === FRAME.exit) return { kind: "exit", id: body.string(), exit: readExit(body) };
  if (kind === FRAME.notify) return { kind: "notify", id: body.string(), pid: body.u32(), tag: body.string() };
  return undefined;
}
