import type { KubeObject } from "#formats/kube-object.ts";
import type { KeyValue } from "#store/store.ts";
import type { Api } from "../api.ts";
import type { RequestContext } from "../context.ts";
import {
  deletedDocument,
  documentOf,
  looseDocument,
  sameContent,
  type Document,
  type Encoded,
} from "../registry/document.ts";
import { trackFields } from "../registry/fields.ts";
import { keyOf } from "../registry/keys.ts";
import { checkKind, checkName, checkNamespace, countGeneration, prepareChangedMetadata } from "../registry/metadata.ts";
import { mergeSubresource } from "../registry/subresources.ts";
import { checkUpdated } from "../registry/validation.ts";
import { committedDocument, encodeForStore, putOperation } from "../registry/write.ts";
import type { ResourceDefinition } from "../resources/definition.ts";
import type { Strategy } from "../strategies/strategy.ts";
import { conflict, notFound, OBJECT_MODIFIED } from "../status.ts";

/** Makes the wanted object (stored form, private) out of what is stored (shared). Giving that back itself changes nothing. */
export type Change = (current: KubeObject) => KubeObject | Promise<KubeObject>;

export interface Target {
  readonly definition: ResourceDefinition;
  readonly namespace: string;
  readonly name: string;
  /** "" for the object itself. */
  readonly subresource: string;
  /** The wanted object already says who manages what (server-side apply). */
  readonly applied?: boolean;
}

/** Writes lost to another writer are decided anew this often; then the caller is told of the conflict. */
const MAX_TRIES = 100;

/**
 * Changes an object. Without a resourceVersion in the wanted object, a lost race is run again on the newer object.
 * An object that is being deleted and has nothing left to wait for goes away. Fails with not-found, conflict, invalid, …
 */
export async function update(api: Api, context: RequestContext, target: Target, change: Change): Promise<Document> {
  const { definition, namespace, name } = target;
  const key = keyOf(definition, namespace, name);
  let entry = await api.store.get(key);
  for (let attempt = 1; ; attempt++) {
    if (!entry) throw notFound(definition, name);
    const outcome = await attemptUpdate(api, context, target, entry, change);
    if (outcome.kind === "done") return outcome.document;
    if (attempt === MAX_TRIES) throw conflict(definition, name, OBJECT_MODIFIED);
    entry = outcome.current;
  }
}

type Outcome =
  | { readonly kind: "done"; readonly document: Document }
  | { readonly kind: "lost"; readonly current: KeyValue | undefined };

async function attemptUpdate(
  api: Api,
  context: RequestContext,
  target: Target,
  entry: KeyValue,
  change: Change,
): Promise<Outcome> {
  const { definition, namespace, name, subresource } = target;
  const current = documentOf(entry);
  const old = current.object;
  const strategy = api.strategies(definition);
  const wanted = await change(old);
  if (wanted === old) return { kind: "done", document: current };
  checkIdentity(target, wanted, current);
  const object = mergeSubresource(definition, subresource, wanted, old);
  prepareChangedMetadata(definition, object, old);
  prepare(strategy, subresource, object, old, context);
  const attributes = {
    operation: "UPDATE",
    definition,
    subresource,
    namespace,
    name,
    object,
    old,
    context,
    onDone: () => undefined,
  } as const;
  await api.admission.admit(attributes);
  prepareChangedMetadata(definition, object, old);
  countGeneration(definition, object, old);
  checkUpdated(definition, strategy, subresource, object, old);
  await api.admission.validate(attributes);
  if (!target.applied && subresource !== "binding") trackFields(api, context, definition, subresource, object, old);
  const value = encodeForStore(object);
  if (isFinished(strategy, object)) return remove(api, context, strategy, entry, object);
  if (sameContent(value.bytes, entry.value)) return { kind: "done", document: current };
  return write(api, context, target, strategy, entry, object, value);
}

function checkIdentity({ definition, namespace, name }: Target, wanted: KubeObject, current: Document): void {
  checkKind(definition, wanted);
  checkName(name, wanted);
  checkNamespace(definition, namespace, wanted);
  const { resourceVersion = "" } = wanted.metadata;
  if (resourceVersion !== "" && resourceVersion !== String(current.revision))
    throw conflict(definition, name, OBJECT_MODIFIED);
}

function prepare(
  strategy: Strategy,
  subresource: string,
  object: KubeObject,
  old: KubeObject,
  context: RequestContext,
): void {
  if (subresource === "status") strategy.prepareForStatusUpdate?.(object, old);
  else if (subresource === "approval") strategy.prepareForApproval?.(object, old);
  else if (subresource === "") strategy.prepareForUpdate?.(object, old, context);
}

/** Being deleted, its time run out, and no one's finalizer left. */
function isFinished(strategy: Strategy, { metadata, ...rest }: KubeObject): boolean {
  if (!metadata.deletionTimestamp || (metadata.finalizers ?? []).length > 0) return false;
  if ((metadata.deletionGracePeriodSeconds ?? 0) > 0) return false;
  return !strategy.mustStay?.({ metadata, ...rest });
}

async function remove(
  api: Api,
  context: RequestContext,
  strategy: Strategy,
  entry: KeyValue,
  object: KubeObject,
): Promise<Outcome> {
  if (context.dryRun) return { kind: "done", document: looseDocument(entry.key, object, entry.modRevision) };
  const result = await api.store.commit({ kind: "delete", key: entry.key, expect: entry.modRevision });
  if (result.kind === "failed") return { kind: "lost", current: result.current };
  strategy.released?.(object);
  return { kind: "done", document: deletedDocument(entry, result.revision) };
}

async function write(
  api: Api,
  context: RequestContext,
  { definition }: Target,
  strategy: Strategy,
  entry: KeyValue,
  object: KubeObject,
  encoded: Encoded,
): Promise<Outcome> {
  const { key } = entry;
  const allocation = strategy.allocate?.(object, documentOf(entry).object, context);
  if (context.dryRun) {
    allocation?.release();
    return { kind: "done", document: looseDocument(key, object, entry.modRevision) };
  }
  try {
    // Allocation may have filled fields in.
    const value = allocation ? encodeForStore(object) : encoded;
    const result = await api.store.commit(putOperation(definition, key, value, entry.modRevision));
    if (result.kind === "failed") {
      allocation?.release();
      return { kind: "lost", current: result.current };
    }
    allocation?.settle();
    return { kind: "done", document: committedDocument(result) };
  } catch (error) {
    allocation?.release();
    throw error;
  }
}
