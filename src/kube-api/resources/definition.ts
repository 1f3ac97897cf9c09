import type { StructSchema } from "#formats/kube-schema.ts";
import type { JsonSchema } from "../custom/schema.ts";
import type { AnyTable } from "#formats/kube-tables.ts";
import type { KubeObject, Resource } from "#formats/kube-object.ts";
import type { Selection } from "../options.ts";
import type { Document } from "../registry/document.ts";

export type Verb = "create" | "delete" | "deletecollection" | "get" | "list" | "patch" | "update" | "watch";

/** A subresource as discovery shows it. What it does is in `verbs/` and `subresources/`. */
export interface SubresourceDefinition {
  readonly name: string;
  /** Set where the body's kind is of another group than the parent's (Scale, Eviction, TokenRequest). */
  readonly group?: string;
  readonly version?: string;
  readonly kind: string;
  readonly verbs: readonly Verb[];
}

/** Between a served version and the stored one. Both directions return new objects. */
export interface Conversion {
  toStored(object: KubeObject): KubeObject;
  fromStored(object: KubeObject): KubeObject;
}

/** One resource in one served version. */
export interface ResourceDefinition extends Resource {
  readonly singular: string;
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
  readonly verbs: readonly Verb[];
  readonly subresources: ReadonlyMap<string, SubresourceDefinition>;
  /** Store keys are `prefix` + `namespace/` + `name`. */
  readonly prefix: string;
  /** Whether metadata.generation counts changes of the spec. */
  readonly generation: boolean;
  /** Short-lived in the store: Infinity keeps it, but out of history. */
  readonly ttlMs?: number;
  /** Set when another version is the stored one. */
  readonly stored?: { readonly definition: ResourceDefinition; readonly conversion: Conversion };
  /** Set for what is not stored but made when asked for. */
  readonly live?: LiveDocuments;
  /** Set for custom resources. */
  readonly custom?: CustomResource;
}

/** Documents that are made when asked for: metrics.k8s.io. */
export interface LiveDocuments {
  /** Throws `not-found`. */
  get(namespace: string, name: string): Promise<Document>;
  list(
    namespace: string,
    selection: Selection,
  ): Promise<{ readonly documents: readonly Document[]; readonly revision: number }>;
}

/** What a custom resource definition says about one of its versions. */
export interface CustomResource {
  readonly schema: JsonSchema;
  /** As it was given, for OpenAPI documents. */
  readonly openApiSchema: object;
  /** The same as server-side apply needs it. */
  readonly structure: StructSchema;
  readonly table: AnyTable;
  /** Dotted paths. */
  readonly selectableFields: readonly string[];
  readonly scale?: {
    readonly specReplicasPath: string;
    readonly statusReplicasPath: string;
    readonly labelSelectorPath?: string;
  };
  /** Told to whoever uses this version. */
  readonly deprecation?: string;
}

/** Whether documents of this resource are kept at all (reviews are only answered). */
export function isStored(definition: ResourceDefinition): boolean {
  return definition.verbs.includes("get");
}

/** The definition whose form the store keeps. */
export function storedForm(definition: ResourceDefinition): ResourceDefinition {
  return definition.stored?.definition ?? definition;
}

/** `apps/v1`, `v1`. */
export function apiVersionOf({ group, version }: { readonly group: string; readonly version: string }): string {
  return group === "" ? version : `${group}/${version}`;
}
