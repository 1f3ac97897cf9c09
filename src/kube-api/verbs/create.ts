import type { KubeObject } from "#formats/kube-object.ts";
import type { Attributes } from "../admission/admission.ts";
import type { Api } from "../api.ts";
import type { RequestContext } from "../context.ts";
import { looseDocument, type Document } from "../registry/document.ts";
import { trackFields } from "../registry/fields.ts";
import { keyOf } from "../registry/keys.ts";
import { checkNew, generateName, prepareNewMetadata } from "../registry/metadata.ts";
import { checkCreated } from "../registry/validation.ts";
import { committedDocument, encodeForStore, putOperation } from "../registry/write.ts";
import type { ResourceDefinition } from "../resources/definition.ts";
import { alreadyExists, generateNameConflict, internalError } from "../status.ts";

const NAME_TRIES = 8;

/**
 * Stores a new object. `object` is in stored form with defaults, private to the request, and becomes shared.
 * Fails with already-exists, invalid, forbidden, …
 */
export async function create(
  api: Api,
  context: RequestContext,
  definition: ResourceDefinition,
  namespace: string,
  object: KubeObject,
  { applied = false }: { readonly applied?: boolean } = {},
): Promise<Document> {
  checkNew(definition, namespace, object);
  const generated = generateName(api, object);
  const strategy = api.strategies(definition);
  if (definition.namespaced) object.metadata.namespace = namespace;
  const done: (() => void)[] = [];
  const attributes: Attributes = {
    operation: "CREATE",
    definition,
    subresource: "",
    namespace,
    name: object.metadata.name ?? "",
    object,
    old: undefined,
    context,
    onDone: (run) => void done.push(run),
  };
  try {
    await api.admission.admit(attributes);
    prepareNewMetadata(api, definition, namespace, object);
    strategy.prepareForCreate?.(object, context);
    checkCreated(definition, strategy, object);
    await api.admission.validate(attributes);
    if (!applied) trackFields(api, context, definition, "", object, undefined);
    return await storeAllocated(api, context, definition, namespace, object, generated);
  } finally {
    for (const run of done) run();
  }
}

async function storeAllocated(
  api: Api,
  context: RequestContext,
  definition: ResourceDefinition,
  namespace: string,
  object: KubeObject,
  generated: boolean,
): Promise<Document> {
  const allocation = api.strategies(definition).allocate?.(object, undefined, context);
  try {
    const document = await store(api, context, definition, namespace, object, generated);
    if (context.dryRun) allocation?.release();
    else allocation?.settle();
    return document;
  } catch (error) {
    allocation?.release();
    throw error;
  }
}

async function store(
  api: Api,
  context: RequestContext,
  definition: ResourceDefinition,
  namespace: string,
  object: KubeObject,
  generated: boolean,
): Promise<Document> {
  for (let attempt = 1; ; attempt++) {
    const name = object.metadata.name ?? "";
    const key = keyOf(definition, namespace, name);
    const value = encodeForStore(object);
    const taken = context.dryRun ? await api.store.get(key) : undefined;
    if (context.dryRun && !taken) return looseDocument(key, object, 0);
    const result = taken ? FAILED : await api.store.commit(putOperation(definition, key, value, 0));
    if (result.kind === "committed") return committedDocument(result);
    if (!generated) throw alreadyExists(definition, name);
    if (attempt === NAME_TRIES) throw generateNameConflict(definition, name);
    delete object.metadata.name;
    if (!generateName(api, object)) throw internalError("no name was generated");
  }
}

const FAILED = { kind: "failed" } as const;
