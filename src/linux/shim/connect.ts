import { closeSync, constants, openSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { GantryError } from "#base/errors.ts";

/**
 * Connects to `shim.sock` in a directory, by the directory's descriptor: a socket's path may have 107 bytes, a directory's
 * 4,096. Throws `not-found` when no shim listens there.
 */
export function connectSocket(directory: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const gone = (error: unknown): void =>
      reject(new GantryError("not-found", `no shim serves ${directory}`, { directory }, error));
    let fd: number;
    try {
      fd = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY);
    } catch (error) {
      return gone(error);
    }
    const socket = connect({ path: `/proc/self/fd/${fd}/shim.sock`, allowHalfOpen: true });
    socket.once("connect", () => {
      closeSync(fd);
      socket.removeListener("error", failed);
      resolve(socket);
    });
    socket.once("error", failed);
    function failed(error: Error): void {
      closeSync(fd);
      gone(error);
    }
  });
}
