/** Bindings under way. Only requests to the API are limited: pods that wait for volumes or for others (Permit) hold nobody up. */
export interface BindingSlots {
  /** True when no more requests may be started for now. */
  readonly full: boolean;
  /** Follows a pod's whole binding. */
  track(binding: Promise<void>): void;
  /** Runs one request. */
  request<T>(run: () => Promise<T>): Promise<T>;
  /** Resolves when no binding is under way. */
  settled(): Promise<void>;
}

/** Requests under way at most; the next decision waits for one to end. */
const MAX_REQUESTS = 256;

/** `onFree`: there is room again after there was none. */
export function bindingSlots(onFree: () => void): BindingSlots {
  const bindings = new Set<Promise<void>>();
  let requests = 0;
  return {
    get full() {
      return requests >= MAX_REQUESTS;
    },
    track(binding) {
      bindings.add(binding);
      const ended = (): void => void bindings.delete(binding);
      binding.then(ended, ended);
    },
    async request(run) {
      requests++;
      try {
        return await run();
      } finally {
        if (requests-- === MAX_REQUESTS) onFree();
      }
    },
    async settled() {
      await Promise.allSettled(bindings);
    },
  };
}
