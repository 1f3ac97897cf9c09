/** What has been done, to be undone in reverse order when a later part fails. */
export interface Undo {
  add(undo: () => unknown): void;
  /** Undoes everything once. What fails is told to `onError`, and does not stop the rest. */
  run(onError: (error: unknown) => void): Promise<void>;
}

export function undoList(): Undo {
  const steps: (() => unknown)[] = [];
  return {
    add: (undo) => void steps.push(undo),
    async run(onError) {
      for (let step = steps.pop(); step; step = steps.pop()) {
        try {
          await step();
        } catch (error) {
          onError(error);
        }
      }
    },
  };
}
