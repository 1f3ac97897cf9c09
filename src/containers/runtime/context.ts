import { appendFileSync, writeSync } from "node:fs";
import { errorText } from "#base/errors.ts";
import type { Clock } from "#base/clock.ts";

/** What every command of the runtime has. */
export interface RuntimeContext {
  /** Where states are kept. */
  readonly root: string;
  readonly clock: Clock;
  /** Gantry's own. */
  readonly version: string;
  /** Program, and arguments before the command's, that start this runtime again with the same global flags. */
  readonly self: readonly string[];
  out(text: string): void;
  log(level: "error" | "warning" | "info" | "debug", message: string): void;
}

export interface LogTarget {
  readonly path: string | undefined;
  readonly format: "text" | "json";
  readonly debug: boolean;
}

/** Writes a whole text to a descriptor that may not be ready for it: a pipe that its reader has made nonblocking. */
export function writeAll(fd: number, text: string): void {
  const bytes = Buffer.from(text);
  for (let done = 0; done < bytes.length;) {
    try {
      done += writeSync(fd, bytes, done);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === "EPIPE") return;
      if (code !== "EAGAIN") throw error;
    }
  }
}

/** As logrus writes them, which containerd and podman read: to a file when there is one, else to the standard error. */
export function logger({ path, format, debug }: LogTarget, clock: Clock): RuntimeContext["log"] {
  return (level, message) => {
    if (level === "debug" && !debug) return;
    const time = new Date(clock.now()).toISOString().replace(/\.\d+/, "");
    const line =
      format === "json"
        ? JSON.stringify({ level, msg: message, time })
        : `time=${JSON.stringify(time)} level=${level} msg=${JSON.stringify(message)}`;
    if (path === undefined) return writeAll(2, `${line}\n`);
    try {
      appendFileSync(path, `${line}\n`, { mode: 0o644 });
    } catch (error) {
      writeAll(2, `${line}\ncannot write ${path}: ${errorText(error)}\n`);
    }
  };
}
