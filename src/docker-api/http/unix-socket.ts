import { once } from "node:events";
import { chmod, unlink } from "node:fs/promises";
import type { Server } from "node:http";
import { connect } from "node:net";
import { GantryError } from "#base/errors.ts";

/** Owner and group may talk to the daemon, which is as good as root; nobody else. */
const SOCKET_MODE = 0o660;

/** Listens on a Unix socket. A file that nobody listens on is replaced; throws `conflict` when somebody does. */
export async function listenOnSocket(server: Server, path: string): Promise<void> {
  if (await isAlive(path)) throw new GantryError("conflict", `socket ${path} is in use by another process`, { path });
  await removeIfThere(path);
  // Between bind and chmod the mode must not be wider.
  const before = process.umask(0o177);
  try {
    server.listen(path);
  } finally {
    process.umask(before);
  }
  await once(server, "listening");
  await chmod(path, SOCKET_MODE);
}

async function isAlive(path: string): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = connect(path);
  socket.once("connect", () => resolve(true));
  socket.once("error", () => resolve(false));
  const alive = await promise;
  socket.destroy();
  return alive;
}

async function removeIfThere(path: string): Promise<void> {
  try {
    await unlink(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
}
