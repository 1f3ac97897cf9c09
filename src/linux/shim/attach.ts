import type { Duplex } from "node:stream";
import type { Socket } from "node:net";
import { GantryError } from "#base/errors.ts";
import { connectSocket } from "./connect.ts";
import { encodeFrame, FRAME, frameDecoder } from "./frames.ts";
import { readFailure } from "./values.ts";

const ATTACH_REQUEST = 1;

/** Opens a connection of its own and turns it into a process's streams. */
export async function attachStream(
  directory: string,
  id: string,
  streams: { stdin: boolean; stdout: boolean; stderr: boolean },
): Promise<Duplex> {
  const socket = await connectSocket(directory);
  const bits = (streams.stdin ? 1 : 0) | (streams.stdout ? 2 : 0) | (streams.stderr ? 4 : 0);
  socket.write(
    encodeFrame(FRAME.attach, ATTACH_REQUEST, (body) => {
      body.string(id);
      body.u32(bits);
    }),
  );
  await answered(socket);
  // The shim closes both directions at once.
  socket.once("end", () => socket.end());
  return socket;
}

/**
 * Resolves when the shim has agreed; bytes that came behind its answer are put back. Reads by hand, so that whoever gets the
 * stream finds it neither flowing nor paused.
 */
function answered(socket: Socket): Promise<void> {
  const decoder = frameDecoder();
  return new Promise((resolve, reject) => {
    const finish = (error?: GantryError): void => {
      socket.removeListener("readable", onReadable);
      socket.removeListener("close", onClose);
      socket.removeListener("error", onClose);
      if (error) {
        socket.destroy();
        return reject(error);
      }
      if (decoder.rest().length > 0) socket.unshift(decoder.rest());
      resolve();
    };
    const onClose = (): void => finish(new GantryError("unavailable", "the shim closed the connection"));
    const onReadable = (): void => {
      for (let chunk = socket.read() as Buffer | null; chunk; chunk = socket.read() as Buffer | null)
        decoder.push(chunk);
      for (let frame = decoder.next(); frame; frame = decoder.next()) {
        if (frame.request !== ATTACH_REQUEST) continue;
        return finish(frame.kind === FRAME.ok ? undefined : readFailure(frame.body, undefined));
      }
    };
    socket.on("readable", onReadable);
    socket.once("close", onClose);
    socket.once("error", onClose);
  });
}
