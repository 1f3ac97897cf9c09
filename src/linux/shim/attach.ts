import type { Duplex } from "node:stream";
import type { Socket } from "node:net";
import { GantryError } from "#base/errors.ts";
import type { LogPosition } from "../shim.ts";
import type { ByteReader } from "./bytes.ts";
import { connectSocket } from "./connect.ts";
import { encodeFrame, FRAME, frameDecoder } from "./frames.ts";
import { readFailure } from "./values.ts";

const ATTACH_REQUEST = 1;

/** ATTACH_AFTER_LOG in native/shim/shim.h. */
const AFTER_LOG = 8;

/** Opens a connection of its own and turns it into a process's streams. */
export async function attachStream(
  directory: string,
  id: string,
  streams: { stdin: boolean; stdout: boolean; stderr: boolean },
  afterLog: boolean,
): Promise<{ stream: Duplex; log: LogPosition | undefined }> {
  const socket = await connectSocket(directory);
  const wanted = (streams.stdin ? 1 : 0) | (streams.stdout ? 2 : 0) | (streams.stderr ? 4 : 0);
  const bits = afterLog ? wanted | AFTER_LOG : wanted;
  socket.write(
    encodeFrame(FRAME.attach, ATTACH_REQUEST, (body) => {
      body.string(id);
      body.u32(bits);
    }),
  );
  const log = await answered(socket);
  // The shim closes both directions at once.
  socket.once("end", () => socket.end());
  return { stream: socket, log };
}

/**
 * Resolves when the shim has agreed, with where its log stands; bytes that came behind its answer are put back. Reads by hand, so that whoever gets the
 * stream finds it neither flowing nor paused.
 */
function answered(socket: Socket): Promise<LogPosition | undefined> {
  const decoder = frameDecoder();
  return new Promise((resolve, reject) => {
    const finish = (error: GantryError | undefined, log?: LogPosition): void => {
      socket.removeListener("readable", onReadable);
      socket.removeListener("close", onClose);
      socket.removeListener("error", onClose);
      if (error) {
        socket.destroy();
        return reject(error);
      }
      if (decoder.rest().length > 0) socket.unshift(decoder.rest());
      resolve(log);
    };
    const onClose = (): void => finish(new GantryError("unavailable", "the shim closed the connection"));
    const onReadable = (): void => {
      for (let chunk = socket.read() as Buffer | null; chunk; chunk = socket.read() as Buffer | null)
        decoder.push(chunk);
      for (let frame = decoder.next(); frame; frame = decoder.next()) {
        if (frame.request !== ATTACH_REQUEST) continue;
        return frame.kind === FRAME.ok
          ? finish(undefined, readPosition(frame.body))
          : finish(readFailure(frame.body, undefined));
      }
    };
    socket.on("readable", onReadable);
    socket.once("close", onClose);
    socket.once("error", onClose);
  });
}

/** A process without a log has nothing to say. */
function readPosition(body: ByteReader): LogPosition | undefined {
  if (body.left === 0) return undefined;
  return { inode: BigInt(body.u64()), size: body.u64() };
}
