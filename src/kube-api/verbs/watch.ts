import { isGantryError } from "#base/errors.ts";
import type { StoreEvent } from "#store/store.ts";
import type { Api } from "../api.ts";
import type { WatchOptions } from "../options.ts";
import { deletedDocument, documentOf, type Document } from "../registry/document.ts";
import { prefixOf } from "../registry/keys.ts";
import { atLeast, parseRevision } from "../registry/revisions.ts";
import { matcherOf, type Matcher } from "../registry/selection.ts";
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
  let from = requested;
  if (streaming || requested === 0) {
    const { items, revision } = await api.store.range(prefix);
    from = revision;
    if (options.sendInitialEvents !== false)
      onNotices(
        initialNotices(items.map(documentOf), matcher, revision, streaming && options.allowWatchBookmarks === true),
      );
  }
  let seen = from;
  const inner = start(api, prefix, from, (events) => {
    seen = events.at(-1)?.revision ?? seen;
    const notices = noticesOf(events, matcher);
    if (notices.length > 0) onNotices(notices);
  });
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

function initialNotices(
  documents: readonly Document[],
  matcher: Matcher,
  revision: number,
  bookmark: boolean,
): Notice[] {
  const notices: Notice[] = documents
    .filter((document) => matcher.matches(document))
    .map((document) => ({ type: "ADDED", document }));
  if (bookmark) notices.push({ type: "BOOKMARK", revision, initialEventsEnd: true });
  return notices;
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
