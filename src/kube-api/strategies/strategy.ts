import type { KubeObject } from "#formats/kube-object.ts";
import type { RequestContext } from "../context.ts";
import type { DeleteOptions } from "../options.ts";
import type { ResourceDefinition } from "../resources/definition.ts";
import type { FieldFault } from "../status.ts";

/** What was set aside for a write. */
export interface Allocation {
  /** The write did not happen: gives it back. */
  release(): void;
  /** The write happened: gives back what the object held before and no longer does. */
  settle(): void;
}

/** What one kind does differently. Objects are private to the request and are changed in place. */
export interface Strategy {
  /** PUT of an absent object makes it. */
  readonly createOnUpdate?: boolean;
  /** A PUT must say which resourceVersion it replaces. */
  readonly needsResourceVersion?: boolean;
  /** Clears what a creator may not set and fills what the server sets. */
  prepareForCreate?(object: KubeObject, context: RequestContext): void;
  prepareForUpdate?(object: KubeObject, old: KubeObject, context: RequestContext): void;
  prepareForStatusUpdate?(object: KubeObject, old: KubeObject): void;
  /** The approval subresource of certificate requests. */
  prepareForApproval?(object: KubeObject, old: KubeObject): void;
  validate?(object: KubeObject): readonly FieldFault[];
  validateUpdate?(object: KubeObject, old: KubeObject): readonly FieldFault[];
  /** Sets aside addresses, ports, … right before the write, and fills them into the object. */
  allocate?(object: KubeObject, old: KubeObject | undefined, context: RequestContext): Allocation;
  /** After an object is gone from the store. */
  released?(object: KubeObject): void;
  /** Seconds until the object may go; undefined: it goes at once. */
  gracePeriod?(object: KubeObject, options: DeleteOptions): number | undefined;
  /** True while the object, although being deleted, must stay (a namespace with content). */
  mustStay?(object: KubeObject): boolean;
  /** The object begins to be deleted. */
  beginDelete?(object: KubeObject): void;
}

export type Strategies = (definition: ResourceDefinition) => Strategy;
