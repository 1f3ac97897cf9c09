import type { Event } from "#formats/kube-types.generated.ts";

/** What to write for an event: a new one, one more of a known one, or nothing because there were too many. */
export type Correlated =
  | { readonly kind: "create"; readonly key: string; readonly message: string }
  | {
      readonly kind: "count";
      readonly key: string;
      readonly message: string;
      readonly name: string;
      readonly count: number;
    }
  | { readonly kind: "drop" };

export interface EventCorrelator {
  correlate(event: Event, nowMs: number): Correlated;
  /** Remembers what was written under `key`. */
  written(key: string, name: string, count: number): void;
  /** Forgets it (the event is gone from the API). */
  forget(key: string): void;
}

/** client-go's defaults (tools/record/events_cache.go). */
const CACHE_ENTRIES = 4096;
const AGGREGATE_AFTER = 10;
const AGGREGATE_WINDOW_MS = 600_000;
const SPAM_BURST = 25;
const SPAM_REFILL_MS = 300_000;

/**
 * Keeps events few, as client-go's correlator does: the same event again only raises a count; ten that differ in nothing but their message become
 * one "combined" event; and a source may say at most 25 things about an object at once, then one more every five minutes.
 */
export function eventCorrelator(): EventCorrelator {
  const spam = lru<{ tokens: number; at: number }>(CACHE_ENTRIES);
  const similar = lru<{ messages: Set<string>; at: number }>(CACHE_ENTRIES);
  const known = lru<{ name: string; count: number }>(CACHE_ENTRIES);
  const isSpam = (key: string, nowMs: number): boolean => {
    const bucket = spam.get(key) ?? { tokens: SPAM_BURST, at: nowMs };
    const tokens = Math.min(SPAM_BURST, bucket.tokens + (nowMs - bucket.at) / SPAM_REFILL_MS);
    spam.set(key, { tokens: tokens >= 1 ? tokens - 1 : tokens, at: nowMs });
    return tokens < 1;
  };
  const aggregates = (key: string, message: string, nowMs: number): boolean => {
    let record = similar.get(key);
    if (!record || nowMs - record.at > AGGREGATE_WINDOW_MS) record = { messages: new Set(), at: nowMs };
    record.at = nowMs;
    record.messages.add(message);
    similar.set(key, record);
    if (record.messages.size < AGGREGATE_AFTER) return false;
    for (const first of record.messages) {
      record.messages.delete(first);
      break;
    }
    return true;
  };
  return {
    correlate(event, nowMs) {
      const source = sourceKey(event);
      if (isSpam(source, nowMs)) return { kind: "drop" };
      const group = `${source}\n${event.type ?? ""}\n${event.reason ?? ""}`;
      const text = event.message ?? "";
      const combined = aggregates(group, text, nowMs);
      const key = combined ? group : `${group}\n${event.involvedObject.fieldPath ?? ""}\n${text}`;
      const message = combined ? `(combined from similar events): ${text}` : text;
      const before = known.get(key);
      if (!before) return { kind: "create", key, message };
      return { kind: "count", key, message, name: before.name, count: before.count + 1 };
    },
    written: (key, name, count) => known.set(key, { name, count }),
    forget: (key) => known.delete(key),
  };
}

function sourceKey(event: Event): string {
  const { kind, namespace, name, uid, apiVersion } = event.involvedObject;
  return [event.source?.component, event.source?.host, kind, namespace, name, uid, apiVersion].join("\n");
}

interface Lru<V> {
  get(key: string): V | undefined;
  set(key: string, value: V): void;
  delete(key: string): void;
}

/** A map of at most `capacity` entries that forgets the least recently used. */
function lru<V>(capacity: number): Lru<V> {
  const entries = new Map<string, V>();
  return {
    get(key) {
      const value = entries.get(key);
      if (value !== undefined) {
        entries.delete(key);
        entries.set(key, value);
      }
      return value;
    },
    set(key, value) {
      entries.delete(key);
      entries.set(key, value);
      if (entries.size <= capacity) return;
      for (const oldest of entries.keys()) {
        entries.delete(oldest);
        break;
      }
    },
    delete: (key) => void entries.delete(key),
  };
}
