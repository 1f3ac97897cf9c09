import type { KubeObject } from "#formats/kube-object.ts";
import { kubeTime } from "#formats/kube-time.ts";
import type { ResourceDefinition } from "../resources/definition.ts";
import { partialMetadata } from "./present.ts";

export type IncludeObject = "None" | "Metadata" | "Object";

interface Column {
  readonly name: string;
  readonly type: string;
  readonly format: string;
  readonly description: string;
  readonly priority: number;
}

/** A meta.k8s.io/v1 Table of objects: what `kubectl get` prints. */
export function tableOf(
  definition: ResourceDefinition,
  objects: readonly KubeObject[],
  metadata: object,
  include: IncludeObject,
  nowMs: number,
  headless = false,
): object {
  const columnDefinitions: Column[] = [
    { name: "Name", type: "string", format: "name", description: "", priority: 0 },
    { name: "Age", type: "date", format: "", description: "", priority: 0 },
  ];
  return {
    kind: "Table",
    apiVersion: "meta.k8s.io/v1",
    metadata,
    columnDefinitions: headless ? null : columnDefinitions,
    rows: objects.map((object) => ({
      cells: [object.metadata.name, object.metadata.creationTimestamp ?? kubeTime(nowMs)],
      ...(include === "None" ? {} : { object: include === "Object" ? object : partialMetadata(object) }),
    })),
    ...(definition.custom ? {} : {}),
  };
}
