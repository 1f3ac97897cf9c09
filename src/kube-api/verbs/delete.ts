import type { KubeObject } from "#formats/kube-object.ts";
import { kubeTime, parseKubeTime } from "#formats/kube-time.ts";
import type { KeyValue } from "#store/store.ts";
import type { Api } from "../api.ts";
import type { RequestContext } from "../context.ts";
import type { DeleteOptions, PropagationPolicy } from "../options.ts";
import { deletedDocument, documentOf, looseDocument, type Document } from "../registry/document.ts";
import { keyOf } from "../registry/keys.ts";
import { committedDocument, encodeForStore, putOperation } from "../registry/write.ts";
import type { ResourceDefinition } from "../resources/definition.ts";
import type { Strategy } from "../strategies/strategy.ts";
import { badRequest, conflict, notFound, OBJECT_MODIFIED } from "../status.ts";

export interface Deletion {
  /** The object as it was, or as it stays while it is being deleted. */
  readonly document: Document;
  /** False while it waits for its grace period or for finalizers. */
  readonly gone: boolean;
}

const MAX_TRIES = 100;
const ORPHAN = "orphan";
const FOREGROUND = "foregroundDeletion";

/** Deletes an object, at once or gracefully (k8s.io/apiserver registry/generic/registry Store.Delete). */
export async function remove(
  api: Api,
  context: RequestContext,
  definition: ResourceDefinition,
  namespace: string,
  name: string,
  options: DeleteOptions = {},
): Promise<Deletion> {
  const key = keyOf(definition, namespace, name);
  const policy = policyOf(options);
  let entry = await api.store.get(key);
  for (let attempt = 1; ; attempt++) {
    if (!entry) throw notFound(definition, name);
    const old = documentOf(entry).object;
    checkPreconditions(definition, old, documentOf(entry).revision, options);
    const attributes = {
      operation: "DELETE",
      definition,
      subresource: "",
      namespace,
      name,
      object: undefined,
      old,
      context,
      options,
      onDone: () => undefined,
    } as const;
    await api.admission.admit(attributes);
    await api.admission.validate(attributes);
    const outcome = await attemptDelete(api, context, definition, entry, policy, options);
    if ("document" in outcome) return outcome;
    if (attempt === MAX_TRIES) throw conflict(definition, name, OBJECT_MODIFIED);
    entry = outcome.current;
  }
}

async function attemptDelete(
  api: Api,
  context: RequestContext,
  definition: ResourceDefinition,
  entry: KeyValue,
  policy: PropagationPolicy | undefined,
  options: DeleteOptions,
): Promise<Deletion | { readonly current: KeyValue | undefined }> {
  const document = documentOf(entry);
  const strategy = api.strategies(definition);
  const next = markDeleted(api, strategy, document.object, policy, options);
  if (next === "keep") return { document, gone: false };
  if (context.dryRun)
    return {
      document: next === "remove" ? document : looseDocument(entry.key, next, document.revision),
      gone: next === "remove",
    };
  if (next === "remove") {
    const result = await api.store.commit({ kind: "delete", key: entry.key, expect: entry.modRevision });
    if (result.kind === "failed") return { current: result.current };
    strategy.released?.(document.object);
    return { document: deletedDocument(entry, result.revision), gone: true };
  }
  const value = encodeForStore(next);
  const result = await api.store.commit(putOperation(definition, entry.key, value, entry.modRevision));
  if (result.kind === "failed") return { current: result.current };
  return { document: committedDocument(result), gone: false };
}

/** What becomes of the object: it goes, it stays as it is (already being deleted), or it stays marked. */
function markDeleted(
  api: Api,
  strategy: Strategy,
  old: KubeObject,
  policy: PropagationPolicy | undefined,
  options: DeleteOptions,
): "remove" | "keep" | KubeObject {
  const finalizers = finalizersFor(old, policy);
  const period = Math.max(0, strategy.gracePeriod?.(old, options) ?? 0);
  const waits = finalizers.length > 0 || Boolean(strategy.mustStay?.(old));
  if (period === 0 && !waits) return "remove";
  const metadata = { ...old.metadata };
  if (finalizers.length > 0) metadata.finalizers = finalizers;
  else delete metadata.finalizers;
  const started = parseKubeTime(metadata.deletionTimestamp);
  if (started !== undefined) {
    const before = metadata.deletionGracePeriodSeconds ?? 0;
    const shorter = strategy.gracePeriod !== undefined && period < before;
    const sameFinalizers = finalizers.join() === (old.metadata.finalizers ?? []).join();
    if (!shorter && sameFinalizers) return "keep";
    if (shorter) {
      metadata.deletionTimestamp = kubeTime(started - (before - period) * 1000);
      metadata.deletionGracePeriodSeconds = period;
    }
  } else {
    metadata.deletionTimestamp = kubeTime(api.clock.now() + period * 1000);
    metadata.deletionGracePeriodSeconds = period;
    if (metadata.generation) metadata.generation++;
  }
  const marked = { ...old, metadata };
  strategy.beginDelete?.(marked);
  return marked;
}

function finalizersFor(old: KubeObject, policy: PropagationPolicy | undefined): string[] {
  const present = old.metadata.finalizers ?? [];
  if (policy === undefined) return [...present];
  const others = present.filter((finalizer) => finalizer !== ORPHAN && finalizer !== FOREGROUND);
  if (policy === "Orphan") return [...others, ORPHAN];
  return policy === "Foreground" ? [...others, FOREGROUND] : others;
}

function policyOf({ propagationPolicy, orphanDependents }: DeleteOptions): PropagationPolicy | undefined {
  if (propagationPolicy !== undefined && orphanDependents !== undefined) {
    throw badRequest("orphanDependents and deletionPropagation cannot be both set");
  }
  if (orphanDependents !== undefined) return orphanDependents ? "Orphan" : "Background";
  return propagationPolicy;
}

function checkPreconditions(
  definition: ResourceDefinition,
  old: KubeObject,
  revision: number,
  { preconditions = {} }: DeleteOptions,
): void {
  const { uid, resourceVersion } = preconditions;
  const name = old.metadata.name ?? "";
  if (uid !== undefined && uid !== old.metadata.uid) {
    throw conflict(
      definition,
      name,
      `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${old.metadata.uid ?? ""}`,
    );
  }
  if (resourceVersion !== undefined && resourceVersion !== String(revision)) {
    const why = `Precondition failed: ResourceVersion in precondition: ${resourceVersion}, ResourceVersion in object meta: ${revision}`;
    throw conflict(definition, name, why);
  }
}
