// What can go wrong between a client and its API server, from a seed: for tests of whatever must live with it.
import type { Clock } from "#base/clock.ts";
import type { Random } from "#base/random.ts";
import type { ObjectRef, Service } from "./service.ts";
import { conflict, expired, failure, OBJECT_MODIFIED } from "./status.ts";
import type { Notice, Watching } from "./verbs/watch.ts";

/** How often each fault happens, between 0 (never, the default) and 1 (always). */
export interface FaultRates {
  /** An update, patch or delete is refused with 409, as if another writer had been faster. */
  readonly conflicts?: number;
  /** A request is lost on its way: 503, and nothing was done. */
  readonly lostRequests?: number;
  /** An answer is lost on its way: 503, though what was asked for is done. */
  readonly lostAnswers?: number;
  /** A batch of a watch's events comes late, by up to `lateMs` (1,000 by default); those after it wait for it. */
  readonly lateEvents?: number;
  readonly lateMs?: number;
  /** A batch of a watch's events is lost, and the watch ends with it. */
  readonly droppedEvents?: number;
  /** A watch from a known revision is refused with 410. */
  readonly goneWatches?: number;
}

/** A service with faults, that can also be made to end all its watches. */
export interface FaultyService extends Service {
  /** Faults happen from now on, or no longer. */
  setFaults(on: boolean): void;
  readonly isOn: boolean;
  /** How many of each kind happened. */
  readonly happened: Readonly<Record<keyof FaultRates, number>>;
  /** Every watch ends, as when its server restarts. */
  endWatches(): void;
}

const LATE_MS = 1000;

/** `before`: the faults of the server that this one follows; they are counted on, and as they are set. */
export function faultyService(
  inner: Service,
  rates: FaultRates,
  random: Random,
  clock: Clock,
  before?: FaultyService,
): FaultyService {
  const happened: Record<keyof FaultRates, number> = {
    conflicts: 0,
    lostRequests: 0,
    lostAnswers: 0,
    lateEvents: 0,
    lateMs: 0,
    droppedEvents: 0,
    goneWatches: 0,
    ...before?.happened,
  };
  const watches = new Set<() => void>();
  let isOn = before?.isOn ?? true;
  const strikes = (fault: keyof FaultRates): boolean => {
    const rate = rates[fault] ?? 0;
    if (!isOn || rate === 0 || random.next() >= rate) return false;
    happened[fault]++;
    return true;
  };
  const ask = async <T>(run: () => Promise<T>): Promise<T> => {
    if (strikes("lostRequests")) throw unreachable("the request was lost");
    const answer = await run();
    if (strikes("lostAnswers")) throw unreachable("the answer was lost");
    return answer;
  };
  const write = <T>(ref: ObjectRef, run: () => Promise<T>): Promise<T> =>
    ask(async () => {
      if (strikes("conflicts")) throw conflict(ref.definition, ref.name, OBJECT_MODIFIED);
      return run();
    });
  const late = (): number => (strikes("lateEvents") ? random.next() * (rates.lateMs ?? LATE_MS) : 0);
  return {
    happened,
    get isOn() {
      return isOn;
    },
    setFaults: (on) => void (isOn = on),
    endWatches() {
      for (const end of Array.from(watches)) end();
    },
    get: (...all) => ask(() => inner.get(...all)),
    list: (...all) => ask(() => inner.list(...all)),
    create: (...all) => ask(() => inner.create(...all)),
    update: (...all) => write(all[1], () => inner.update(...all)),
    patch: (...all) => write(all[1], () => inner.patch(...all)),
    delete: (...all) => write(all[1], () => inner.delete(...all)),
    deleteCollection: (...all) => ask(() => inner.deleteCollection(...all)),
    async watch(context, ref, options, onNotices, onEnd) {
      if (options.resourceVersion && options.resourceVersion !== "0" && strikes("goneWatches"))
        throw expired(`too old resource version: ${options.resourceVersion}`);
      const stream = lateStream(clock, late, onNotices);
      let watching: Watching | undefined;
      const end = (): void => {
        if (!watches.delete(end)) return;
        stream.close();
        watching?.close();
        onEnd?.();
      };
      const deliver = (notices: readonly Notice[]): void => {
        // What a watch starts with comes whole, or the watch was none.
        if (watching && strikes("droppedEvents")) return end();
        stream.push(notices);
      };
      watches.add(end);
      try {
        watching = await ask(() => inner.watch(context, ref, options, deliver, end));
      } catch (error) {
        watches.delete(end);
        stream.close();
        throw error;
      }
      const { revision } = watching;
      return {
        revision,
        close() {
          watches.delete(end);
          stream.close();
          watching?.close();
        },
      };
    },
  };
}

/** Batches in their order, each when it and those before it are due. */
function lateStream(clock: Clock, late: () => number, onNotices: (notices: readonly Notice[]) => void) {
  const waiting: (readonly Notice[])[] = [];
  let cancel: (() => void) | undefined;
  let isClosed = false;
  const release = (): void => {
    cancel = undefined;
    for (const notices of waiting.splice(0)) if (!isClosed) onNotices(notices);
  };
  return {
    push(notices: readonly Notice[]): void {
      const delayMs = cancel ? 0 : late();
      if (!cancel && delayMs === 0) return onNotices(notices);
      waiting.push(notices);
      cancel ??= clock.after(delayMs, release);
    },
    close(): void {
      isClosed = true;
      cancel?.();
    },
  };
}

function unreachable(message: string): Error {
  return failure({ code: "unavailable", http: 503, reason: "ServiceUnavailable", message });
}
