/** Runs tasks of one key one after the other, tasks of different keys side by side. */
export interface KeyedSerial {
  run<T>(key: string, task: () => Promise<T>): Promise<T>;
  /** Keys with a task running or waiting. */
  readonly size: number;
}

/** One owner at a time for each key; holds nothing for an idle key. */
export function keyedSerial(): KeyedSerial {
  const tails = new Map<string, Promise<unknown>>();
  return {
    get size() {
      return tails.size;
    },
    async run(key, task) {
      const before = tails.get(key);
      const result = (async () => {
        // The task before reports its own failure to its own caller.
        if (before) await before.catch(() => undefined);
        return task();
      })();
      tails.set(key, result);
      try {
        return await result;
      } finally {
        if (tails.get(key) === result) tails.delete(key);
      }
    },
  };
}
