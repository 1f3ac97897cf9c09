import { watch } from "node:fs";
import { basename, dirname } from "node:path";

/** Says when a log may have grown, been rotated, or come to its end. */
export interface LogNews {
  /** Resolves at the first news after the call. */
  next(): Promise<void>;
  /** Nothing will be written any more. */
  readonly ended: boolean;
  close(): void;
}

/** News of the file at `path` by inotify, until `ended` settles or `signal` aborts. */
export function logNews(path: string, ended: Promise<unknown>, signal: AbortSignal): LogNews {
  let wake: (() => void) | undefined;
  let over = signal.aborted;
  const finish = (): void => {
    over = true;
    wake?.();
  };
  const name = basename(path);
  // The directory, not the file: the watch outlives a rotation, and may begin before the file exists.
  const watcher = watch(dirname(path), { persistent: false }, (_event, changed) => {
    if (changed === null || changed === name) wake?.();
  });
  // The directory is removed with the container: that is an end, not a failure.
  watcher.on("error", finish);
  signal.addEventListener("abort", finish, { once: true });
  ended.then(finish, finish);
  return {
    get ended() {
      return over;
    },
    next: () => (over ? Promise.resolve() : new Promise((resolve) => (wake = resolve))),
    close() {
      signal.removeEventListener("abort", finish);
      watcher.close();
      wake?.();
    },
  };
}
