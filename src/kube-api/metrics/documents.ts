import { NODE_METRICS, POD_METRICS, type NodeMetrics, type PodMetrics, type Usage } from "#formats/kube-metrics.ts";
import type { KubeObject, Resource } from "#formats/kube-object.ts";
import { kubeTime } from "#formats/kube-time.ts";
import { formatQuantity, quantityOf } from "#formats/quantity.ts";
import type { Api } from "../api.ts";
import type { MetricsSource } from "../metrics-source.ts";
import { looseDocument, type Document } from "../registry/document.ts";
import type { LiveDocuments, ResourceDefinition } from "../resources/definition.ts";
import { notFound } from "../status.ts";
import { find } from "../verbs/get.ts";
import { list } from "../verbs/list.ts";
import { metricsCollector, type Measurement } from "./collector.ts";
import { metricsDefinitions } from "./definitions.ts";

/** metrics.k8s.io over a source: to be put into the server's resource table. */
export function metricsResources(api: Api, source: MetricsSource): ResourceDefinition[] {
  const collector = metricsCollector(source, api.clock);
  const core = (resource: string): ResourceDefinition => api.resources.expect("", "v1", resource);
  const nodes = measuredOf(api, core("nodes"), { group: NODE_METRICS.group, resource: "nodemetrics" }, async () => {
    const measured = await collector.measure();
    return (object) => nodeMetrics(object, measured);
  });
  const pods = measuredOf(api, core("pods"), { group: POD_METRICS.group, resource: "podmetrics" }, async () => {
    const measured = await collector.measure();
    return (object) => podMetrics(object, measured);
  });
  return metricsDefinitions(nodes, pods);
}

type Measure = () => Promise<(object: KubeObject) => KubeObject | undefined>;

/** Documents for those stored objects that something is known of: names, labels and selectors are theirs. */
function measuredOf(
  api: Api,
  definition: ResourceDefinition,
  about: Pick<Resource, "group" | "resource">,
  measure: Measure,
): LiveDocuments {
  return {
    async get(namespace, name) {
      const key = definition.namespaced ? `${namespace}/${name}` : name;
      const stored = await find(api, definition, namespace, name);
      if (!stored) throw notFound(definition, key);
      const made = (await measure())(stored.object);
      if (!made) throw notFound(about, key);
      return document(made);
    },
    async list(namespace, { labelSelector, fieldSelector }) {
      const measured = await measure();
      const { documents, revision } = await list(api, definition, namespace, { labelSelector, fieldSelector });
      const made = documents.flatMap((each) => measured(each.object) ?? []);
      return { documents: made.map(document), revision };
    },
  };
}

function document(object: KubeObject): Document {
  return looseDocument("", object, 0);
}

function nodeMetrics({ metadata }: KubeObject, { nodes }: Measurement): NodeMetrics | undefined {
  const measured = nodes.get(metadata.name ?? "");
  if (!measured) return undefined;
  return { ...headOf(NODE_METRICS, metadata, measured.atMs, measured.windowMs), usage: usageOf(measured) };
}

function podMetrics({ metadata }: KubeObject, { pods }: Measurement): PodMetrics | undefined {
  const measured = pods.get(`${metadata.namespace ?? ""}/${metadata.name ?? ""}`);
  if (!measured) return undefined;
  return {
    ...headOf(POD_METRICS, metadata, measured.atMs, measured.windowMs),
    containers: measured.containers.map(({ name, ...usage }) => ({ name, usage: usageOf(usage) })),
  };
}

function headOf(
  { group, version, kind }: Resource,
  { name, namespace, labels }: KubeObject["metadata"],
  atMs: number,
  windowMs: number,
) {
  const timestamp = kubeTime(atMs);
  return {
    kind,
    apiVersion: `${group}/${version}`,
    metadata: {
      name,
      ...(namespace === undefined ? {} : { namespace }),
      creationTimestamp: timestamp,
      ...(labels ? { labels } : {}),
    },
    timestamp,
    window: `${(windowMs / 1000).toFixed(3).replace(/\.?0+$/, "")}s`,
  };
}

function usageOf({ nanoCores, memoryBytes }: { readonly nanoCores: number; readonly memoryBytes: number }): Usage {
  return {
    cpu: formatQuantity({ nanos: BigInt(nanoCores), format: "DecimalSI" }),
    memory: formatQuantity(quantityOf(Math.round(memoryBytes / 1024) * 1024, "BinarySI")),
  };
}
