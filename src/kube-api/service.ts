import type { FieldValidation } from "#formats/kube-decode.ts";
import type { Api } from "./api.ts";
import { requireAccess, type Authorizer } from "./auth/authorizer.ts";
import type { RequestContext } from "./context.ts";
import type { DeleteOptions, ListOptions, PatchRequest, WatchOptions } from "./options.ts";
import type { Document } from "./registry/document.ts";
import { readObject, type Body } from "./registry/input.ts";
import { storedForm, type ResourceDefinition } from "./resources/definition.ts";
import { invalid, methodNotSupported, unknownPath } from "./status.ts";
import { subresourceHandler } from "./subresources/handlers.ts";
import { apply } from "./verbs/apply.ts";
import { create } from "./verbs/create.ts";
import { remove, type Deletion } from "./verbs/delete.ts";
import { deleteCollection } from "./verbs/delete-collection.ts";
import { get } from "./verbs/get.ts";
import { list, type DocumentList } from "./verbs/list.ts";
import { patch } from "./verbs/patch.ts";
import { update } from "./verbs/update.ts";
import { watch, type Notice, type Watching } from "./verbs/watch.ts";

/** Names an object, or a collection (name ""), of a served resource. */
export interface ObjectRef {
  readonly definition: ResourceDefinition;
  readonly namespace: string;
  readonly name: string;
  readonly subresource: string;
}

/** What a write answers with: a document in stored form, or a finished value (a review, a Status). */
export type Answer = { readonly document: Document; readonly created?: boolean } | { readonly value: object };

/** Every verb, authorized: what the HTTP edge and the in-process client both call. Documents come in stored form. */
export interface Service {
  get(context: RequestContext, ref: ObjectRef): Promise<Answer>;
  list(context: RequestContext, ref: ObjectRef, options: ListOptions): Promise<DocumentList>;
  watch(
    context: RequestContext,
    ref: ObjectRef,
    options: WatchOptions,
    onNotices: (notices: readonly Notice[]) => void,
    /** The server ends the watch by itself. */
    onEnd?: () => void,
  ): Promise<Watching>;
  create(context: RequestContext, ref: ObjectRef, body: Body, validation: FieldValidation): Promise<Answer>;
  update(context: RequestContext, ref: ObjectRef, body: Body, validation: FieldValidation): Promise<Answer>;
  patch(context: RequestContext, ref: ObjectRef, request: PatchRequest, validation: FieldValidation): Promise<Answer>;
  delete(context: RequestContext, ref: ObjectRef, options: DeleteOptions): Promise<Deletion>;
  deleteCollection(
    context: RequestContext,
    ref: ObjectRef,
    options: DeleteOptions,
    selection: ListOptions,
  ): Promise<DocumentList>;
}

export function apiService(api: Api, authorizer: Authorizer): Service {
  const check = (context: RequestContext, ref: ObjectRef, verb: string): void => {
    const { definition, namespace, name, subresource } = ref;
    const { group, version, resource } = definition;
    requireAccess(authorizer, context.user, { verb, group, version, resource, subresource, namespace, name });
    requireVerb(ref, verb);
  };
  return {
    async get(context, ref) {
      check(context, ref, "get");
      const handler = subresourceHandler(ref);
      if (handler?.get) return handler.get(api, context, ref);
      if (ref.definition.live) return { document: await ref.definition.live.get(ref.namespace, ref.name) };
      return { document: await get(api, storedForm(ref.definition), ref.namespace, ref.name) };
    },
    async list(context, ref, options) {
      check(context, ref, "list");
      if (ref.definition.live) return ref.definition.live.list(ref.namespace, options);
      return list(api, storedForm(ref.definition), ref.namespace, options);
    },
    async watch(context, ref, options, onNotices) {
      check(context, ref, "watch");
      return watch(api, storedForm(ref.definition), ref.namespace, options, onNotices);
    },
    async create(context, ref, body, validation) {
      check(context, ref, "create");
      const handler = subresourceHandler(ref);
      if (handler?.create) return handler.create(api, context, ref, body, validation);
      if (ref.subresource !== "") throw methodNotSupported(ref.definition, "create");
      const object = readObject(context, ref.definition, body, validation);
      return { document: await create(api, context, storedForm(ref.definition), ref.namespace, object) };
    },
    async update(context, ref, body, validation) {
      check(context, ref, "update");
      const handler = subresourceHandler(ref);
      if (handler?.update) return handler.update(api, context, ref, body, validation);
      const target = { ...ref, definition: storedForm(ref.definition) };
      const object = readObject(context, ref.definition, body, validation);
      const strategy = api.strategies(target.definition);
      if (strategy.needsResourceVersion && !object.metadata.resourceVersion) throw needsRevision(ref);
      const absent = strategy.createOnUpdate === true && ref.subresource === "";
      if (absent && !(await exists(api, ref))) {
        check(context, ref, "create");
        return { document: await create(api, context, target.definition, ref.namespace, object), created: true };
      }
      // Each try gets its own copy: the one before may have been changed by admission.
      return { document: await update(api, context, target, () => structuredClone(object)) };
    },
    async patch(context, ref, request, validation) {
      check(context, ref, "patch");
      const handler = subresourceHandler(ref);
      if (handler?.patch) return handler.patch(api, context, ref, request, validation);
      if (request.type === "apply") {
        // Applying may create: that is a right of its own (k8s.io/apiserver endpoints/handlers/patch.go).
        if (!(await exists(api, ref))) check(context, { ...ref, subresource: "" }, "create");
        return apply(api, context, ref, request, validation);
      }
      const { definition, namespace, name, subresource } = ref;
      return { document: await patch(api, context, definition, namespace, name, subresource, request, validation) };
    },
    async delete(context, ref, options) {
      check(context, ref, "delete");
      if (ref.subresource !== "") throw methodNotSupported(ref.definition, "delete");
      return remove(api, context, storedForm(ref.definition), ref.namespace, ref.name, options);
    },
    async deleteCollection(context, ref, options, selection) {
      check(context, ref, "deletecollection");
      return deleteCollection(api, context, storedForm(ref.definition), ref.namespace, options, selection);
    },
  };
}

async function exists(api: Api, { definition, namespace, name }: ObjectRef): Promise<boolean> {
  try {
    await get(api, storedForm(definition), namespace, name);
    return true;
  } catch {
    // Whatever else is wrong (a bad name), creating says it too.
    return false;
  }
}

function needsRevision({ definition, name }: ObjectRef): Error {
  const message = "Invalid value: 0: must be specified for an update";
  const fault = { field: "metadata.resourceVersion", message, reason: "FieldValueInvalid" };
  return invalid(definition.group, definition.kind, name, [fault]);
}

function requireVerb({ definition, subresource }: ObjectRef, verb: string): void {
  const verbs = subresource === "" ? definition.verbs : definition.subresources.get(subresource)?.verbs;
  if (!verbs) throw unknownPath();
  if (!verbs.some((known) => known === verb)) throw methodNotSupported(definition, verb);
}
