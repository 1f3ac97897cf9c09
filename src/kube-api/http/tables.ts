import type { KubeObject } from "#formats/kube-object.ts";
import { tableOf as kindTable, type AnyTable } from "#formats/kube-tables.ts";
import type { ResourceDefinition } from "../resources/definition.ts";
import type { DocumentList } from "../verbs/list.ts";
import { fromStored } from "../registry/write.ts";
import { turnTaker } from "../registry/turns.ts";
import { listMetadata, partialMetadata } from "./present.ts";

export type IncludeObject = "None" | "Metadata" | "Object";

/** The parts of the text of a list's Table. Many rows are made in many turns. */
export async function tableParts(
  definition: ResourceDefinition,
  list: DocumentList,
  include: IncludeObject,
  nowMs: number,
): Promise<Uint8Array[]> {
  const takeTurns = turnTaker();
  const table: AnyTable = definition.custom?.table ?? kindTable(definition);
  const head = JSON.stringify({ ...tableOf(definition, [], listMetadata(list), include, nowMs), rows: undefined });
  const parts: Uint8Array[] = [Buffer.from(`${head.slice(0, -1)},"rows":[`)];
  for (const [index, document] of list.documents.entries()) {
    const others = takeTurns();
    if (others) await others;
    const row = tableRow(table, fromStored(definition, document.object), include, nowMs);
    parts.push(Buffer.from(`${index > 0 ? "," : ""}${JSON.stringify(row)}`));
  }
  parts.push(Buffer.from("]}"));
  return parts;
}

function tableRow(table: AnyTable, object: KubeObject, include: IncludeObject, nowMs: number): object {
  const conditions = table.conditions?.(object) ?? [];
  return {
    cells: table.cells(object, nowMs),
    ...(conditions.length > 0 ? { conditions } : {}),
    ...(include === "None" ? {} : { object: include === "Object" ? object : partialMetadata(object) }),
  };
}

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
    rows: objects.map((object) => tableRow(table, object, include, nowMs)),
  };
}
