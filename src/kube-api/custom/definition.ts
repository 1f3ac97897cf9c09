// From a CustomResourceDefinition to the resources that it makes the server serve.
import type { KubeObject } from "#formats/kube-object.ts";
import { customTable } from "#formats/kube-tables.ts";
import type { Conversion, ResourceDefinition, SubresourceDefinition, Verb } from "../resources/definition.ts";
import type { CustomResourceDefinition, CustomVersion, JsonSchema } from "./schema.ts";
import { customStructure } from "./structure.ts";

const VERBS: readonly Verb[] = ["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"];
const REWRITE: readonly Verb[] = ["get", "patch", "update"];
const ANYTHING: JsonSchema = { type: "object", "x-kubernetes-preserve-unknown-fields": true };

/** The resources of an established definition: one a served version, and the stored one. */
export function customResources(crd: CustomResourceDefinition): ResourceDefinition[] {
  const { versions } = crd.spec;
  const storage = versions.find((version) => version.storage);
  if (!storage) return [];
  const stored = resourceOf(crd, storage);
  return versions
    .filter((version) => version.served)
    .map((version) =>
      version === storage
        ? stored
        : { ...resourceOf(crd, version), stored: { definition: stored, conversion: renaming(crd, storage, version) } },
    );
}

/** Versions differ in nothing but their name (strategy None). */
function renaming({ spec }: CustomResourceDefinition, storage: CustomVersion, served: CustomVersion): Conversion {
  const named =
    (version: CustomVersion) =>
    (object: KubeObject): KubeObject => ({ ...object, apiVersion: `${spec.group}/${version.name}` });
  return { toStored: named(storage), fromStored: named(served) };
}

function resourceOf({ spec, status }: CustomResourceDefinition, version: CustomVersion): ResourceDefinition {
  const { group, scope } = spec;
  const names = status?.acceptedNames?.plural ? status.acceptedNames : spec.names;
  const { plural, kind, singular = kind.toLowerCase(), shortNames = [], categories = [] } = names;
  const schema = version.schema?.openAPIV3Schema ?? ANYTHING;
  return {
    group,
    version: version.name,
    resource: plural,
    kind,
    namespaced: scope === "Namespaced",
    singular,
    shortNames,
    categories,
    verbs: VERBS,
    subresources: subresourcesOf(kind, version),
    prefix: `/registry/${group}/${plural}/`,
    generation: true,
    custom: {
      schema: spec.preserveUnknownFields ? { ...schema, "x-kubernetes-preserve-unknown-fields": true } : schema,
      openApiSchema: schema,
      structure: customStructure(kind, schema),
      table: customTable(version.additionalPrinterColumns),
      selectableFields: (version.selectableFields ?? []).map(({ jsonPath }) => jsonPath.replace(/^\./, "")),
      ...(version.subresources?.scale ? { scale: version.subresources.scale } : {}),
      ...(version.deprecated ? { deprecation: deprecationOf(group, version, kind) } : {}),
    },
  };
}

function deprecationOf(group: string, { name, deprecationWarning }: CustomVersion, kind: string): string {
  return deprecationWarning ?? `${group}/${name} ${kind} is deprecated`;
}

function subresourcesOf(
  kind: string,
  { subresources = {} }: CustomVersion,
): ReadonlyMap<string, SubresourceDefinition> {
  const map = new Map<string, SubresourceDefinition>();
  if (subresources.status) map.set("status", { name: "status", kind, verbs: REWRITE });
  if (subresources.scale)
    map.set("scale", { name: "scale", group: "autoscaling", version: "v1", kind: "Scale", verbs: REWRITE });
  return map;
}
