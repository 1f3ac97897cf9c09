import type { Clock } from "#base/clock.ts";
import { signal } from "#base/signal.ts";
import type { Engine, EngineEvent } from "#containers/engine.ts";
import type { ImageStore } from "#images/image-store.ts";

/** The newest events of this room that are kept for `since`; the oldest go first. The engine keeps its own as many. */
const KEPT_EVENTS = 1024;

/** The engine's events together with the image store's and those that only this API knows of: networks, attach, top. */
export interface Journal {
  /** Records an event of this API. */
  record(
    type: EngineEvent["type"],
    action: string,
    actorId: string,
    attributes?: Readonly<Record<string, string>>,
  ): void;
  /** Live events; the result stops. */
  listen(listener: (event: EngineEvent) => void): () => void;
  /** What is kept between two moments (epoch milliseconds), in order of time. */
  past(sinceMs: number, untilMs: number): readonly EngineEvent[];
  /** How many are listening. */
  listeners(): number;
  close(): void;
}

export function createJournal(engine: Engine, images: ImageStore, clock: Clock): Journal {
  const live = signal<EngineEvent>();
  const kept: EngineEvent[] = [];
  let lastNanos = 0n;
  const stopEngine = engine.events((event) => live.emit(event));
  const journal: Journal = {
    record(type, action, actorId, attributes = {}) {
      const now = BigInt(Math.round(clock.now() * 1000)) * 1000n;
      lastNanos = now > lastNanos ? now : lastNanos + 1n;
      const event: EngineEvent = { type, action, actorId, attributes, timeNanos: lastNanos };
      kept.push(event);
      if (kept.length > KEPT_EVENTS) kept.shift();
      live.emit(event);
    },
    listen: (listener) => live.on(listener),
    past(sinceMs, untilMs) {
      const within = ({ timeNanos }: EngineEvent): boolean =>
        Number(timeNanos) / 1e6 >= sinceMs && Number(timeNanos) / 1e6 <= untilMs;
      const all = [...engine.pastEvents(sinceMs, untilMs), ...kept.filter(within)];
      return all.toSorted((a, b) => (a.timeNanos < b.timeNanos ? -1 : a.timeNanos > b.timeNanos ? 1 : 0));
    },
    listeners: () => live.listeners,
    close() {
      stopEngine();
      stopImages();
    },
  };
  const stopImages = images.events.on(({ action, id, name, labels }) =>
    // Of an image that is gone Docker tells the name only.
    journal.record("image", action, id, action === "delete" ? { name } : { ...labels, name }),
  );
  return journal;
}
