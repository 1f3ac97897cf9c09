/** So many at a time; others wait in line. */
export interface Semaphore {
  /** Resolves when there is room; the result, called once, makes room for the next. `onWait` is called when there is none now. */
  enter(onWait?: () => void): Promise<() => void>;
}

export function semaphore(count: number): Semaphore {
  const waiting: (() => void)[] = [];
  let free = count;
  const leave = (): void => {
    const next = waiting.shift();
    if (next) next();
    else free++;
  };
  return {
    async enter(onWait) {
      if (free > 0) free--;
      else {
        onWait?.();
        await new Promise<void>((resolve) => waiting.push(resolve));
      }
      let left = false;
      return () => {
        if (!left) leave();
        left = true;
      };
    },
  };
}
