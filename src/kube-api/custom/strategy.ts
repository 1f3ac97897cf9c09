import { isDns1035Label, isDnsLabel, isDnsSubdomain } from "#formats/kube-names.ts";
import type { KubeObject } from "#formats/kube-object.ts";
import { sameTree } from "#formats/tree.ts";
import type { RequestContext } from "../context.ts";
import type { FieldFault } from "../status.ts";
import type { Strategy } from "../strategies/strategy.ts";
import { CLEANUP_FINALIZER } from "./controller.ts";
import type { CustomResourceDefinition, CustomVersion } from "./schema.ts";
import { schemaFaults } from "./structural.ts";

/** Custom objects: a PUT names its revision; a status is written through its subresource where there is one. */
export const customStrategy: Strategy = { needsResourceVersion: true };

export const customWithStatus: Strategy = {
  needsResourceVersion: true,
  prepareForCreate(object) {
    delete (object as KubeObject & { status?: unknown }).status;
  },
};

/** Definitions themselves (k8s.io/apiextensions-apiserver pkg/registry/customresourcedefinition). */
export const definitionStrategy: Strategy = {
  needsResourceVersion: true,
  prepareForCreate(object, context) {
    const crd = object as CustomResourceDefinition;
    warnOfRules(crd, context);
    crd.metadata.finalizers = Array.from(new Set([...(crd.metadata.finalizers ?? []), CLEANUP_FINALIZER]));
    crd.status = { conditions: [], acceptedNames: { plural: "", kind: "" }, storedVersions: [storageName(crd)] };
  },
  prepareForUpdate(object, _old, context) {
    warnOfRules(object as CustomResourceDefinition, context);
  },
  validate: (object) => definitionFaults(object as CustomResourceDefinition),
  validateUpdate: (object, old) => changeFaults(object as CustomResourceDefinition, old as CustomResourceDefinition),
};

function warnOfRules({ spec }: CustomResourceDefinition, { warn }: RequestContext): void {
  if (JSON.stringify(spec.versions).includes('"x-kubernetes-validations"')) {
    warn("x-kubernetes-validations: rules (CEL) are kept but not enforced by this server");
  }
  if (spec.conversion?.strategy === "Webhook")
    warn("spec.conversion: webhooks are not called by this server; versions differ by name only");
}

function storageName({ spec }: CustomResourceDefinition): string {
  return spec.versions.find(({ storage }) => storage)?.name ?? "";
}

function definitionFaults({ metadata, spec }: CustomResourceDefinition): FieldFault[] {
  const faults: FieldFault[] = [];
  const add = (field: string, reason: string, message: string): void => void faults.push({ field, reason, message });
  const required = (field: string, detail = ""): void =>
    add(field, "FieldValueRequired", detail === "" ? "Required value" : `Required value: ${detail}`);
  const wrong = (field: string, value: unknown, detail: string): void =>
    add(field, "FieldValueInvalid", `Invalid value: ${JSON.stringify(value)}: ${detail}`);
  const { group, names, scope, versions = [] } = spec;
  if (!group) required("spec.group");
  else for (const fault of isDnsSubdomain(group)) wrong("spec.group", group, fault);
  if (group && !group.includes(".")) wrong("spec.group", group, "should be a domain with at least one dot");
  if (metadata.name !== `${names.plural}.${group}`)
    wrong("metadata.name", metadata.name, 'must be spec.names.plural+"."+spec.group');
  if (scope !== "Namespaced" && scope !== "Cluster") {
    add(
      "spec.scope",
      scope ? "FieldValueNotSupported" : "FieldValueRequired",
      scope
        ? `Unsupported value: ${JSON.stringify(scope)}: supported values: "Cluster", "Namespaced"`
        : "Required value",
    );
  }
  for (const fault of isDns1035Label(names.plural)) wrong("spec.names.plural", names.plural, fault);
  for (const fault of isDns1035Label(names.kind.toLowerCase()))
    wrong("spec.names.kind", names.kind, `may have mixed case, but should otherwise match: ${fault}`);
  if (versions.length === 0) required("spec.versions", "must have exactly one version marked as storage version");
  else if (versions.filter(({ storage }) => storage).length !== 1)
    wrong(
      "spec.versions",
      versions.map(({ name }) => name),
      "must have exactly one version marked as storage version",
    );
  const seen = new Set<string>();
  for (const [index, version] of versions.entries()) {
    if (seen.has(version.name))
      wrong(
        "spec.versions",
        versions.map(({ name }) => name),
        "must contain unique version names",
      );
    seen.add(version.name);
    faults.push(...versionFaults(version, `spec.versions[${index}]`));
  }
  return faults;
}

function versionFaults({ name, schema }: CustomVersion, path: string): FieldFault[] {
  const named = isDnsLabel(name).map((fault) => ({
    field: `${path}.name`,
    reason: "FieldValueInvalid",
    message: `Invalid value: ${JSON.stringify(name)}: ${fault}`,
  }));
  const where = `${path}.schema.openAPIV3Schema`;
  if (!schema?.openAPIV3Schema)
    return [...named, { field: where, reason: "FieldValueRequired", message: "Required value: schemas are required" }];
  return [...named, ...schemaFaults(schema.openAPIV3Schema, where)];
}

function changeFaults(next: CustomResourceDefinition, old: CustomResourceDefinition): FieldFault[] {
  const faults: FieldFault[] = [];
  const fixed = (field: string, value: unknown, before: unknown): void => {
    if (!sameTree(value, before))
      faults.push({
        field,
        reason: "FieldValueInvalid",
        message: `Invalid value: ${JSON.stringify(value)}: field is immutable`,
      });
  };
  fixed("spec.group", next.spec.group, old.spec.group);
  fixed("spec.names.plural", next.spec.names.plural, old.spec.names.plural);
  const established = old.status?.conditions?.some(({ type, status }) => type === "Established" && status === "True");
  if (established) {
    fixed("spec.scope", next.spec.scope, old.spec.scope);
    fixed("spec.names.kind", next.spec.names.kind, old.spec.names.kind);
  }
  for (const [index, name] of (next.status?.storedVersions ?? []).entries()) {
    if (next.spec.versions.some((version) => version.name === name)) continue;
    const message = `Invalid value: ${JSON.stringify(name)}: must appear in spec.versions`;
    faults.push({ field: `status.storedVersions[${index}]`, reason: "FieldValueInvalid", message });
  }
  return faults;
}
