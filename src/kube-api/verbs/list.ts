import { isGantryError } from "#base/errors.ts";
import type { Api } from "../api.ts";
import type { ListOptions } from "../options.ts";
import { decodeContinue, encodeContinue } from "../registry/continue.ts";
import { documentOf, type Document } from "../registry/document.ts";
import { keyOf, prefixOf } from "../registry/keys.ts";
import { atLeast, listRevision } from "../registry/revisions.ts";
import { matcherOf, type Matcher } from "../registry/selection.ts";
import { turnTaker } from "../registry/turns.ts";
import type { ResourceDefinition } from "../resources/definition.ts";
import { expired, failure } from "../status.ts";

export interface DocumentList {
  readonly documents: readonly Document[];
  readonly revision: number;
  readonly continue?: string;
  /** Objects left after this page; known only without selectors. */
  readonly remaining?: number;
}

const PAGE_OF_STORE = 1000;

/** Objects of one namespace ("" for all), in the order of their keys. Fails with invalid, gone (410), timeout. */
export async function list(
  api: Api,
  definition: ResourceDefinition,
  namespace: string,
  options: ListOptions = {},
): Promise<DocumentList> {
  const matcher = matcherOf(definition, options);
  const prefix = prefixOf(definition, namespace === "" ? (matcher.namespace ?? "") : namespace);
  const limit = options.limit ?? 0;
  if (options.continue) {
    const { revision, after } = decodeContinue(options.continue, prefix, options.resourceVersion);
    return page(api, prefix, matcher, limit, revision, after);
  }
  const wanted = listRevision(options, limit);
  if (wanted.atLeast > 0) await atLeast(api, wanted.atLeast);
  const name = matcher.name;
  const single = name !== undefined && (!definition.namespaced || namespace !== "");
  if (single && wanted.exact === undefined) return one(api, definition, namespace, name, matcher);
  return page(api, prefix, matcher, limit, wanted.exact, undefined);
}

async function one(
  api: Api,
  definition: ResourceDefinition,
  namespace: string,
  name: string,
  matcher: Matcher,
): Promise<DocumentList> {
  const { revision } = api.store;
  const entry = name === "" ? undefined : await api.store.get(keyOf(definition, namespace, name));
  const document = entry ? documentOf(entry) : undefined;
  return {
    documents: document && matcher.matches(document) ? [document] : [],
    revision: Math.max(revision, document?.revision ?? 0),
  };
}

async function page(
  api: Api,
  prefix: string,
  matcher: Matcher,
  limit: number,
  at: number | undefined,
  start: string | undefined,
): Promise<DocumentList> {
  const documents: Document[] = [];
  let revision = at;
  let after = start;
  const takeTurns = turnTaker();
  for (;;) {
    const range = await readRange(api, prefix, limit, matcher, revision, after);
    revision ??= range.revision;
    for (const [index, entry] of range.items.entries()) {
      after = entry.key;
      const others = takeTurns();
      if (others) await others;
      const document = documentOf(entry);
      if (!matcher.matches(document)) continue;
      documents.push(document);
      const left = range.items.length - index - 1 + range.remaining;
      if (documents.length === limit && left > 0) {
        const token = encodeContinue(revision, prefix, after);
        return { documents, revision, continue: token, ...(matcher.all ? { remaining: left } : {}) };
      }
    }
    if (!range.more) return { documents, revision };
  }
}

async function readRange(
  api: Api,
  prefix: string,
  limit: number,
  matcher: Matcher,
  revision: number | undefined,
  after: string | undefined,
) {
  const size = limit === 0 ? 0 : matcher.all ? limit : Math.max(limit, PAGE_OF_STORE);
  try {
    return await api.store.range(prefix, {
      limit: size,
      ...(revision === undefined ? {} : { revision }),
      ...(after === undefined ? {} : { after }),
    });
  } catch (error) {
    if (!isGantryError(error, "gone")) throw error;
    if (after === undefined) throw expired("The resourceVersion for the provided list is too old.");
    throw expiredContinue(encodeContinue(-1, prefix, after));
  }
}

/** 410 with a token to go on with at the present revision. */
function expiredContinue(token: string): Error {
  const message =
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list.";
  const error = failure({ code: "gone", http: 410, reason: "Expired", message });
  Object.assign(error.details["status"] as object, { metadata: { continue: token } });
  return error;
}
