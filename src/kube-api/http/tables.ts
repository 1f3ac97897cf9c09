import type { KubeObject } from "#formats/kube-object.ts";
import { tableOf as kindTable, type AnyTable } from "#formats/kube-tables.ts";
import type { ResourceDefinition } from "../resources/definition.ts";
import { partialMetadata } from "./present.ts";

export type IncludeObject = "None" | "Metadata" | "Object";

/** A meta.k8s.io/v1 Table of objects in served form: what `kubectl get` prints. */
export function tableOf(
  definition: ResourceDefinition,
  objects: readonly KubeObject[],
  metadata: object,
  include: IncludeObject,
  nowMs: number,
  headless = false,
): object {
  const table: AnyTable = definition.custom?.table ?? kindTable(definition);
  return {
    kind: "Table",
    apiVersion: "meta.k8s.io/v1",
    metadata,
    columnDefinitions: headless ? null : table.columns,
    rows: objects.map((object) => {
      const conditions = table.conditions?.(object) ?? [];
      return {
        cells: table.cells(object, nowMs),
        ...(conditions.length > 0 ? { conditions } : {}),
        ...(include === "None" ? {} : { object: include === "Object" ? object : partialMetadata(object) }),
      };
    }),
  };
}
