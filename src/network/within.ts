import { inNetns } from "#linux/netns.ts";

/** Runs something synchronous in the network namespace of a host: this machine's own, or that of a node on it. */
export type Within = <T>(run: () => T) => T;

export const here: Within = (run) => run();

/** In the namespace at `path`; undefined: where the thread is. */
export function withinNetns(path: string | undefined): Within {
  return path === undefined ? here : (run) => inNetns(path, run);
}
