import { lstatSync, mkdirSync, readlinkSync, rmSync, symlinkSync } from "node:fs";
import { connect } from "node:net";
import { dirname } from "node:path";

const DEFAULT_SOCKET = "/var/run/docker.sock";

/**
 * Leads `/var/run/docker.sock` to ours when nobody listens there, so that tools find Gantry with nothing set. A socket that somebody
 * serves, and a file that is no socket, are left alone. Returns the path when it leads here.
 */
export async function offerDefaultSocket(ours: string): Promise<string | undefined> {
  if (await answers(DEFAULT_SOCKET)) return leadsTo(ours) ? DEFAULT_SOCKET : undefined;
  const found = lstatSync(DEFAULT_SOCKET, { throwIfNoEntry: false });
  if (found && !found.isSocket() && !found.isSymbolicLink()) return undefined;
  rmSync(DEFAULT_SOCKET, { force: true });
  mkdirSync(dirname(DEFAULT_SOCKET), { recursive: true });
  symlinkSync(ours, DEFAULT_SOCKET);
  return DEFAULT_SOCKET;
}

/** Takes the link away again, if it is ours. */
export function withdrawDefaultSocket(ours: string): void {
  if (leadsTo(ours)) rmSync(DEFAULT_SOCKET, { force: true });
}

function leadsTo(ours: string): boolean {
  return (
    lstatSync(DEFAULT_SOCKET, { throwIfNoEntry: false })?.isSymbolicLink() === true &&
    readlinkSync(DEFAULT_SOCKET) === ours
  );
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.on("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.on("error", () => resolve(false));
  });
}
