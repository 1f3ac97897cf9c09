import { boundedQueue, type BoundedQueue } from "#base/bounded-queue.ts";
import type { GantryError } from "#base/errors.ts";
import type { KubeObject, Typed } from "#formats/kube-object.ts";
import type { RequestContext, User } from "./context.ts";
import type { DeleteOptions, PatchRequest, Selection } from "./options.ts";
import type { Document } from "./registry/document.ts";
import { fromStored } from "./registry/write.ts";
import type { ResourceTable } from "./resources/table.ts";
import type { ResourceDefinition } from "./resources/definition.ts";
import type { Answer, ObjectRef, Service } from "./service.ts";
import { expired, failure } from "./status.ts";
import type { Notice, Watching } from "./verbs/watch.ts";

/** What the in-process client needs of the server. */
export interface LocalServer {
  readonly service: Service;
  readonly resources: ResourceTable;
}

interface ListQuery extends Selection {
  readonly namespace?: string;
  readonly limit?: number;
  readonly continue?: string;
  readonly resourceVersion?: string;
}

interface WatchQuery extends Selection {
  readonly namespace?: string;
  readonly resourceVersion: string;
  readonly signal: AbortSignal;
}

type LocalPatch =
  | { readonly type: "merge" | "strategic"; readonly body: object }
  | { readonly type: "json"; readonly body: readonly object[] }
  | { readonly type: "apply"; readonly body: object; readonly fieldManager: string; readonly force?: boolean };

type LocalEvent<T> =
  | { readonly type: "ADDED" | "MODIFIED" | "DELETED"; readonly object: T }
  | { readonly type: "BOOKMARK"; readonly resourceVersion: string };

/** Changes waiting for a watcher; beyond it the watch ends with `gone`, so that the watcher lists anew. */
const MAX_WAITING = 100_000;

/**
 * The KubeClient of this very process: the same authorization, admission and validation as over HTTPS, without
 * encoding. Objects handed out are shared with the store's readers: copy before you change.
 */
export function localClient(server: LocalServer, user: User, fieldManager = user.name) {
  const context = (manager = fieldManager): RequestContext => ({
    user,
    dryRun: false,
    fieldManager: manager,
    warn: () => undefined,
  });
  const refer = <T extends KubeObject>(
    resource: Typed<T>,
    namespace: string | undefined,
    name: string,
    subresource = "",
  ): ObjectRef => {
    const definition = server.resources.find(resource.group, resource.version, resource.resource);
    if (!definition) throw failure(unknownResource(resource.resource));
    return { definition, namespace: definition.namespaced ? (namespace ?? "") : "", name, subresource };
  };
  return {
    async get<T extends KubeObject>(
      resource: Typed<T>,
      namespace: string | undefined,
      name: string,
      subresource = "",
    ): Promise<T> {
      const ref = refer(resource, namespace, name, subresource);
      return served<T>(ref, await server.service.get(context(), ref));
    },
    async list<T extends KubeObject>(resource: Typed<T>, options: ListQuery = {}) {
      const ref = refer(resource, options.namespace, "");
      const found = await server.service.list(context(), ref, options);
      return {
        items: found.documents.map((document) => servedObject<T>(ref.definition, document)),
        resourceVersion: String(found.revision),
        ...(found.continue === undefined ? {} : { continue: found.continue }),
      };
    },
    watch<T extends KubeObject>(resource: Typed<T>, options: WatchQuery): AsyncIterable<LocalEvent<T>> {
      const ref = refer(resource, options.namespace, "");
      return watchLocally<T>(ref, options, (sink, end) => server.service.watch(context(), ref, options, sink, end));
    },
    async create<T extends KubeObject>(
      resource: Typed<T>,
      object: T,
      options: { readonly fieldManager?: string } = {},
    ): Promise<T> {
      const ref = refer(resource, object.metadata.namespace, "");
      return served<T>(
        ref,
        await server.service.create(context(options.fieldManager), ref, { value: object }, "Ignore"),
      );
    },
    async update<T extends KubeObject>(resource: Typed<T>, object: T, subresource = ""): Promise<T> {
      const ref = refer(resource, object.metadata.namespace, object.metadata.name ?? "", subresource);
      return served<T>(ref, await server.service.update(context(), ref, { value: object }, "Ignore"));
    },
    async patch<T extends KubeObject>(
      resource: Typed<T>,
      namespace: string | undefined,
      name: string,
      patch: LocalPatch,
      subresource = "",
    ): Promise<T> {
      const ref = refer(resource, namespace, name, subresource);
      const manager = patch.type === "apply" ? patch.fieldManager : fieldManager;
      const request: PatchRequest = patch;
      return served<T>(ref, await server.service.patch(context(manager), ref, request, "Ignore"));
    },
    async delete<T extends KubeObject>(
      resource: Typed<T>,
      namespace: string | undefined,
      name: string,
      options: DeleteOptions = {},
    ): Promise<void> {
      await server.service.delete(context(), refer(resource, namespace, name), options);
    },
    async post<T extends KubeObject>(
      resource: Typed<T>,
      namespace: string | undefined,
      name: string,
      subresource: string,
      body: object,
    ): Promise<object> {
      const ref = refer(resource, namespace, name, subresource);
      const answer = await server.service.create(context(), ref, { value: body }, "Ignore");
      return "value" in answer ? answer.value : servedObject(ref.definition, answer.document);
    },
  };
}

function unknownResource(resource: string) {
  const message = "the server could not find the requested resource";
  return { code: "not-found", http: 404, reason: "NotFound", message, details: { kind: resource } } as const;
}

function servedObject<T extends KubeObject>(definition: ResourceDefinition, document: Document): T {
  return fromStored(definition, document.object) as T;
}

function served<T extends KubeObject>({ definition }: ObjectRef, answer: Answer): T {
  return "value" in answer ? (answer.value as T) : servedObject<T>(definition, answer.document);
}

async function* watchLocally<T extends KubeObject>(
  { definition }: ObjectRef,
  { signal }: WatchQuery,
  start: (sink: (notices: readonly Notice[]) => void, end: () => void) => Promise<Watching>,
): AsyncGenerator<LocalEvent<T>> {
  const queue: BoundedQueue<Notice> = boundedQueue(MAX_WAITING, "close", tooSlow);
  const stop = (): void => queue.close();
  const watching = await start((notices) => {
    for (const notice of notices) queue.push(notice);
  }, stop);
  signal.addEventListener("abort", stop);
  if (signal.aborted) stop();
  try {
    for await (const notice of queue) {
      if (signal.aborted) return;
      if (notice.type === "BOOKMARK") yield { type: "BOOKMARK", resourceVersion: String(notice.revision) };
      else yield { type: notice.type, object: servedObject<T>(definition, notice.document) };
    }
  } finally {
    watching.close();
    signal.removeEventListener("abort", stop);
  }
}

function tooSlow(): GantryError {
  return expired("the watcher fell too far behind");
}
