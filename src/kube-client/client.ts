import type { KubeObject, Typed } from "#formats/kube-object.ts";

/**
 * The client port: how the scheduler, controllers, kubelet and CLI reach the API. `https-client.ts` speaks it over TLS;
 * main/ plugs in an in-process one. Objects handed out carry `apiVersion` and `kind` (items of lists too) and are shared and frozen by
 * convention: copy before you change.
 * Failures are GantryErrors: not-found, already-exists, conflict, invalid, gone, forbidden, ..., with the API's
 * Status document in `details.status`.
 */
export interface KubeClient {
  /** With `subresource`, that document of the object: its `scale`. */
  get<T extends KubeObject>(
    resource: Typed<T>,
    namespace: string | undefined,
    name: string,
    subresource?: string,
  ): Promise<T>;
  list<T extends KubeObject>(resource: Typed<T>, options?: ListOptions): Promise<ObjectList<T>>;
  /** Live changes after `resourceVersion`. The iteration ends when `signal` fires or the server ends the watch; it throws `gone` when the version is too old. */
  watch<T extends KubeObject>(resource: Typed<T>, options: WatchOptions): AsyncIterable<WatchEvent<T>>;
  create<T extends KubeObject>(resource: Typed<T>, object: T, options?: CreateOptions): Promise<T>;
  /** Replaces; `metadata.resourceVersion`, when set, must be current (`conflict` otherwise). */
  update<T extends KubeObject>(resource: Typed<T>, object: T, subresource?: string): Promise<T>;
  patch<T extends KubeObject>(
    resource: Typed<T>,
    namespace: string | undefined,
    name: string,
    patch: Patch,
    subresource?: string,
  ): Promise<T>;
  delete<T extends KubeObject>(
    resource: Typed<T>,
    namespace: string | undefined,
    name: string,
    options?: DeleteOptions,
  ): Promise<void>;
  /** POSTs a document to a subresource of an object: `binding`, `eviction`, `token`, ... */
  post<T extends KubeObject>(
    resource: Typed<T>,
    namespace: string | undefined,
    name: string,
    subresource: string,
    body: object,
  ): Promise<object>;
}

export interface Selectors {
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
}

export interface ListOptions extends Selectors {
  readonly limit?: number;
  readonly continue?: string;
  readonly resourceVersion?: string;
}

export interface ObjectList<T> {
  readonly items: readonly T[];
  readonly resourceVersion: string;
  readonly continue?: string;
}

export interface WatchOptions extends Selectors {
  readonly resourceVersion: string;
  readonly signal: AbortSignal;
}

export type WatchEvent<T> =
  | { readonly type: "ADDED" | "MODIFIED" | "DELETED"; readonly object: T }
  | { readonly type: "BOOKMARK"; readonly resourceVersion: string };

export interface CreateOptions {
  readonly fieldManager?: string;
}

export type Patch =
  | { readonly type: "merge" | "strategic"; readonly body: object }
  | { readonly type: "json"; readonly body: readonly object[] }
  | { readonly type: "apply"; readonly body: object; readonly fieldManager: string; readonly force?: boolean };

export interface DeleteOptions {
  readonly gracePeriodSeconds?: number;
  readonly propagationPolicy?: "Foreground" | "Background" | "Orphan";
  readonly preconditions?: { readonly uid?: string; readonly resourceVersion?: string };
}
