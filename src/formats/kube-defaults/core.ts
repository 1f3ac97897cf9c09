import type { LimitRange, Namespace, Node, ResourceQuota, Secret } from "../kube-types.generated.ts";
import { fillResources, roundResources } from "./resources.ts";

/** SetDefaults_Namespace: every named namespace carries its name as a label. */
export function defaultNamespace(namespace: Namespace): void {
  const { metadata } = namespace;
  if (metadata.name) metadata.labels = { ...metadata.labels, "kubernetes.io/metadata.name": metadata.name };
  namespace.status = { ...namespace.status };
  namespace.status.phase ||= "Active";
}

export function defaultNode({ status }: Node): void {
  if (!status) return;
  roundResources(status.capacity);
  if (status.capacity && !status.allocatable) status.allocatable = { ...status.capacity };
  roundResources(status.allocatable);
}

export function defaultSecret(secret: Secret): void {
  secret.type ||= "Opaque";
  // What is written as text becomes data, which it wins over; it is never stored (core/v1 conversion.go).
  const { stringData } = secret;
  delete secret.stringData;
  if (!stringData) return;
  const encoded = Object.entries(stringData).map(([key, text]) => [key, Buffer.from(text).toString("base64")]);
  secret.data = { ...secret.data, ...Object.fromEntries(encoded) };
}

export function defaultQuota({ spec, status }: ResourceQuota): void {
  for (const list of [spec?.hard, status?.hard, status?.used]) roundResources(list);
}

/** SetDefaults_LimitRangeItem: a container's default limit follows from the maximum, its request from limit or minimum. */
export function defaultLimitRange({ spec }: LimitRange): void {
  for (const item of spec?.limits ?? []) {
    for (const list of [item.max, item.min, item.default, item.defaultRequest, item.maxLimitRequestRatio])
      roundResources(list);
    if (item.type !== "Container") continue;
    const limits = fillResources(item.default, item.max);
    if (limits) item.default = limits;
    const requests = fillResources(fillResources(item.defaultRequest, item.default), item.min);
    if (requests) item.defaultRequest = requests;
  }
}
