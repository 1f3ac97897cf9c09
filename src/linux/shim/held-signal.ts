import { signal, type Signal } from "#base/signal.ts";

/** What is kept until someone listens; the oldest is dropped beyond it. */
const MOST_HELD = 1024;

/** A signal that keeps what is emitted before anyone listens, for the first one who does. */
export function heldSignal<T>(): Signal<T> {
  const inner = signal<T>();
  let held: T[] = [];
  return {
    get listeners() {
      return inner.listeners;
    },
    emit(value) {
      if (inner.listeners > 0) return inner.emit(value);
      held.push(value);
      if (held.length > MOST_HELD) held.shift();
    },
    on(listener) {
      const off = inner.on(listener);
      const values = held;
      held = [];
      for (const value of values) inner.emit(value);
      return off;
    },
  };
}
