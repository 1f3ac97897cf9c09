// metrics.k8s.io: resources whose documents are made when asked for.
import type { KubeObject, Resource } from "#formats/kube-object.ts";
import { NODE_METRICS, POD_METRICS, type NodeMetrics, type PodMetrics, type Usage } from "#formats/kube-metrics.ts";
import type { AnyTable, TableColumn } from "#formats/kube-tables.ts";
import { addQuantity, formatQuantity, parseQuantity } from "#formats/quantity.ts";
import { customStructure } from "../custom/structure.ts";
import type { JsonSchema } from "../custom/schema.ts";
import type { LiveDocuments, ResourceDefinition } from "../resources/definition.ts";

const TEXT: JsonSchema = { type: "string" };
const USAGE: JsonSchema = { type: "object", properties: { cpu: TEXT, memory: TEXT } };
const MEASURED = { timestamp: { type: "string", format: "date-time" } as JsonSchema, window: TEXT };
const NODE_SCHEMA: JsonSchema = { type: "object", properties: { ...MEASURED, usage: USAGE } };
const POD_SCHEMA: JsonSchema = {
  type: "object",
  properties: {
    ...MEASURED,
    containers: { type: "array", items: { type: "object", properties: { name: TEXT, usage: USAGE } } },
  },
};

/** The two resources of the group. */
export function metricsDefinitions(nodes: LiveDocuments, pods: LiveDocuments): ResourceDefinition[] {
  return [
    define(NODE_METRICS, NODE_SCHEMA, nodes, (object) => (object as NodeMetrics).usage),
    define(POD_METRICS, POD_SCHEMA, pods, (object) => podUsage(object as PodMetrics)),
  ];
}

function define(
  resource: Resource,
  schema: JsonSchema,
  live: LiveDocuments,
  usageOf: (object: KubeObject) => Usage,
): ResourceDefinition {
  return {
    ...resource,
    singular: "",
    shortNames: [],
    categories: [],
    verbs: ["get", "list"],
    subresources: new Map(),
    prefix: `/registry/${resource.group}/${resource.resource}/`,
    generation: false,
    live,
    custom: {
      schema,
      openApiSchema: schema,
      structure: customStructure(resource.kind, schema),
      table: usageTable(usageOf),
      selectableFields: [],
    },
  };
}

/** metrics-server, pkg/api/table.go. */
function usageTable(usageOf: (object: KubeObject) => Usage): AnyTable {
  return {
    columns: [
      column("Name", "name", "Name of the resource"),
      column("cpu", "quantity"),
      column("memory", "quantity"),
      column("Window", "duration"),
    ],
    cells(object) {
      const { cpu, memory } = usageOf(object);
      return [object.metadata.name ?? "", cpu, memory, (object as NodeMetrics | PodMetrics).window];
    },
  };
}

function column(name: string, format: string, description = ""): TableColumn {
  return { name, type: "string", format, description, priority: 0 };
}

function podUsage({ containers }: PodMetrics): Usage {
  const sum = (of: (usage: Usage) => string): string =>
    formatQuantity(containers.map(({ usage }) => parseQuantity(of(usage))).reduce(addQuantity, parseQuantity("0")));
  return { cpu: sum(({ cpu }) => cpu), memory: sum(({ memory }) => memory) };
}
