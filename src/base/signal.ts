/** A typed one-event emitter: listeners run in order of subscription; a throwing listener does not stop the others. */
export interface Signal<T> {
  emit(value: T): void;
  /** Subscribes; the result unsubscribes. */
  on(listener: (value: T) => void): () => void;
  readonly listeners: number;
}

/** `onError` gets what a listener throws; by default it is rethrown on the next tick. */
export function signal<T>(onError: (error: unknown) => void = rethrowLater): Signal<T> {
  const listeners = new Set<(value: T) => void>();
  return {
    get listeners() {
      return listeners.size;
    },
    emit(value) {
      for (const listener of Array.from(listeners)) {
        try {
          listener(value);
        } catch (error) {
          onError(error);
        }
      }
    },
    on(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

function rethrowLater(error: unknown): void {
  process.nextTick(() => {
    throw error;
  });
}
