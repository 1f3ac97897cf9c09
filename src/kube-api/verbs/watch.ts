import { isGantryError } from "#base/errors.ts";
import type { RangeResult, StoreEvent } from "#store/store.ts";
import type { Api } from "../api.ts";
import type { WatchOptions } from "../options.ts";
import { deletedDocument, documentOf, type Document } from "../registry/document.ts";
import { prefixOf } from "../registry/keys.ts";
import { atLeast, parseRevision } from "../registry/revisions.ts";
import { matcherOf, type Matcher } from "../registry/selection.ts";
import { turnTaker } from "../registry/turns.ts";
import type { ResourceDefinition } from "../resources/definition.ts";
import { expired, invalid } from "../status.ts";

export type Notice =
  | { readonly type: "ADDED" | "MODIFIED" | "DELETED"; readonly document: Document }
  | { readonly type: "BOOKMARK"; readonly revision: number; readonly initialEventsEnd: boolean };

export interface Watching {
  /** The newest revision that the watcher has been told of, or that had nothing for it. */
  revision(): number;
  close(): void;
}

/**
 * Tells `onNotices` of the objects there are (unless a resourceVersion says where to start) and then of every change.
 * Watchers without selectors share the arrays they get. Fails with gone (410) for a revision no longer retained.
 */
export async function watch(
  api: Api,
  definition: ResourceDefinition,
  namespace: string,
  options: WatchOptions,
  onNotices: (notices: readonly Notice[]) => void,
): Promise<Watching> {
  checkOptions(options);
  const matcher = matcherOf(definition, options);
  const prefix = prefixOf(definition, namespace === "" ? (matcher.namespace ?? "") : namespace);
  const requested = parseRevision(options.resourceVersion);
  const streaming = options.sendInitialEvents === true;
  if (streaming && requested > 0) await atLeast(api, requested);
  const present = streaming || requested === 0 ? await api.store.range(prefix) : undefined;
  const from = present?.revision ?? requested;
  let seen = from;
  const deliver = (events: readonly StoreEvent[]): void => {
    seen = events.at(-1)?.revision ?? seen;
    const notices = noticesOf(events, matcher);
    if (notices.length > 0) onNotices(notices);
  };
  if (!present || options.sendInitialEvents === false) {
    const inner = start(api, prefix, from, deliver);
    return { revision: () => Math.max(seen, from), close: () => inner.close() };
  }
  // Changes that come while the present is told wait for its end.
  let early: (readonly StoreEvent[])[] | undefined = [];
  const inner = start(api, prefix, from, (events) => (early ? void early.push(events) : deliver(events)));
  try {
    await tellPresent(present, matcher, streaming && options.allowWatchBookmarks === true, onNotices);
    for (const events of early) deliver(events);
    early = undefined;
  } catch (error) {
    inner.close();
    throw error;
  }
  return { revision: () => Math.max(seen, from), close: () => inner.close() };
}

function start(api: Api, prefix: string, from: number, onEvents: (events: readonly StoreEvent[]) => void) {
  try {
    return api.store.watch(prefix, from, onEvents);
  } catch (error) {
    if (!isGantryError(error, "gone")) throw error;
    throw expired(`too old resource version: ${from} (${String(error.details["compactedRevision"])})`);
  }
}

const NOTICES_AT_ONCE = 500;

/** The objects there are, in one batch; many of them in many batches, with turns for others between. */
async function tellPresent(
  { items, revision }: RangeResult,
  matcher: Matcher,
  bookmark: boolean,
  onNotices: (notices: readonly Notice[]) => void,
): Promise<void> {
  const takeTurns = turnTaker();
  let batch: Notice[] = [];
  for (const entry of items) {
    const others = takeTurns();
    if (batch.length >= NOTICES_AT_ONCE || (others && batch.length > 0)) {
      onNotices(batch);
      batch = [];
    }
    if (others) await others;
    const document = documentOf(entry);
    if (matcher.matches(document)) batch.push({ type: "ADDED", document });
  }
  if (bookmark) batch.push({ type: "BOOKMARK", revision, initialEventsEnd: true });
  onNotices(batch);
}

const plain = new WeakMap<readonly StoreEvent[], readonly Notice[]>();

function noticesOf(events: readonly StoreEvent[], matcher: Matcher): readonly Notice[] {
  if (!matcher.all) return events.flatMap((event) => noticeOf(event, matcher) ?? []);
  const known = plain.get(events);
  if (known) return known;
  const made = events.flatMap((event) => noticeOf(event, matcher) ?? []);
  plain.set(events, made);
  return made;
}

const gone = new WeakMap<StoreEvent, Document>();

/** An object that stops matching is gone, and one that starts matching is new, to who watches with a selector. */
function noticeOf(event: StoreEvent, matcher: Matcher): Notice | undefined {
  const current = event.current ? documentOf(event.current) : undefined;
  const matches = current !== undefined && matcher.matches(current);
  const matched = event.previous !== undefined && (matcher.all || matcher.matches(documentOf(event.previous)));
  if (matches && current) return { type: matched ? "MODIFIED" : "ADDED", document: current };
  if (!matched || !event.previous) return undefined;
  const document = gone.get(event) ?? deletedDocument(event.previous, event.revision);
  gone.set(event, document);
  return { type: "DELETED", document };
}

function checkOptions({ sendInitialEvents, resourceVersionMatch = "" }: WatchOptions): void {
  const fault = (field: string, message: string): Error =>
    invalid("meta.k8s.io", "ListOptions", "", [{ field, message, reason: "FieldValueForbidden" }]);
  if (sendInitialEvents !== undefined && resourceVersionMatch !== "NotOlderThan") {
    throw fault(
      "resourceVersionMatch",
      "Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
    );
  }
  if (sendInitialEvents === undefined && resourceVersionMatch !== "") {
    throw fault(
      "resourceVersionMatch",
      "Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
    );
  }
}
