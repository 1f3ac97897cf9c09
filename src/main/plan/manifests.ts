import { parseAllDocuments } from "yaml";
import { errorText, GantryError } from "#base/errors.ts";
import type { KubeObject } from "#formats/kube-object.ts";

/** The objects of manifests, lists taken apart. Throws `invalid` for what is not a Kubernetes object, by file and document. */
export function readManifests(files: readonly { readonly path: string; readonly text: string }[]): KubeObject[] {
  const objects = files.flatMap(({ path, text }) =>
    parseAllDocuments(text).flatMap((document, index) => {
      const where = `${path}, document ${index + 1}`;
      const [fault] = document.errors;
      if (fault) throw new GantryError("invalid", `${where}: ${errorText(fault)}`);
      return flatten(document.toJS() as unknown, where);
    }),
  );
  if (objects.length === 0) throw new GantryError("invalid", "the manifests hold no objects");
  return objects;
}

function flatten(value: unknown, where: string): KubeObject[] {
  if (value === null || value === undefined) return [];
  const { apiVersion, kind, metadata, items } = value as Partial<KubeObject> & { items?: unknown[] };
  if (typeof apiVersion !== "string" || typeof kind !== "string") {
    throw new GantryError("invalid", `${where}: a Kubernetes object has apiVersion and kind`);
  }
  if (kind.endsWith("List") && Array.isArray(items)) return items.flatMap((each) => flatten(each, where));
  if (!metadata?.name && !metadata?.["generateName" as keyof typeof metadata]) {
    throw new GantryError("invalid", `${where}: ${kind} without metadata.name`);
  }
  return [value as KubeObject];
}
