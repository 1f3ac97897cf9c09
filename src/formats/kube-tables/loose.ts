// Tables of kinds that have no TypeScript shape of their own here.
import type { KubeObject } from "../kube-object.ts";
import { age, columns, NONE, type KubeTable } from "./cells.ts";

interface ApiService extends KubeObject {
  spec?: { service?: { namespace?: string; name?: string } };
  status?: { conditions?: { type: string; status: string; reason?: string }[] };
}

export const apiServices: KubeTable = {
  columns: columns("Name", "Service", "Available", "Age"),
  cells: (object: ApiService, now) => {
    const service = object.spec?.service;
    const condition = object.status?.conditions?.find(({ type }) => type === "Available");
    const available = !condition
      ? "Unknown"
      : condition.status === "True"
        ? "True"
        : `${condition.status} (${condition.reason ?? ""})`;
    return [
      object.metadata.name ?? "",
      service ? `${service.namespace ?? ""}/${service.name ?? ""}` : "Local",
      available,
      age(object, now),
    ];
  },
};

interface FlowSchema extends KubeObject {
  spec?: {
    priorityLevelConfiguration?: { name?: string };
    matchingPrecedence?: number;
    distinguisherMethod?: { type?: string };
  };
  status?: { conditions?: { type: string; status: string }[] };
}

export const flowSchemas: KubeTable = {
  columns: columns("Name", "PriorityLevel", "MatchingPrecedence:integer", "DistinguisherMethod", "Age", "MissingPL"),
  cells: (object: FlowSchema, now) => {
    const dangling = object.status?.conditions?.find(({ type }) => type === "Dangling")?.status;
    return [
      object.metadata.name ?? "",
      object.spec?.priorityLevelConfiguration?.name ?? "",
      object.spec?.matchingPrecedence ?? 0,
      object.spec?.distinguisherMethod?.type || NONE,
      age(object, now),
      dangling ?? "?",
    ];
  },
};

interface PriorityLevel extends KubeObject {
  spec?: {
    type?: string;
    exempt?: { nominalConcurrencyShares?: number };
    limited?: {
      nominalConcurrencyShares?: number;
      limitResponse?: { queuing?: { queues?: number; handSize?: number; queueLengthLimit?: number } };
    };
  };
}

export const priorityLevels: KubeTable = {
  columns: columns("Name", "Type", "NominalConcurrencyShares", "Queues", "HandSize", "QueueLengthLimit", "Age"),
  cells: (object: PriorityLevel, now) => {
    const { spec } = object;
    const shares = (spec?.limited ?? spec?.exempt)?.nominalConcurrencyShares;
    const queuing = spec?.limited?.limitResponse?.queuing;
    const show = (value: number | undefined): string => (value === undefined ? NONE : String(value));
    return [
      object.metadata.name ?? "",
      spec?.type ?? "",
      show(shares),
      show(queuing?.queues),
      show(queuing?.handSize),
      show(queuing?.queueLengthLimit),
      age(object, now),
    ];
  },
};

interface ResourceClaim extends KubeObject {
  status?: { allocation?: object; reservedFor?: unknown[] };
}

export const resourceClaims: KubeTable = {
  columns: columns("Name", "State", "Age"),
  cells: (object: ResourceClaim, now) => {
    const deleted = object.metadata.deletionTimestamp !== undefined;
    const { allocation, reservedFor } = object.status ?? {};
    const states = allocation
      ? ["allocated", ...(reservedFor?.length ? ["reserved"] : [])]
      : deleted
        ? []
        : ["pending"];
    return [object.metadata.name ?? "", [...(deleted ? ["deleted"] : []), ...states].join(","), age(object, now)];
  },
};

interface ResourceSlice extends KubeObject {
  spec?: { nodeName?: string; driver?: string; pool?: { name?: string } };
}

export const resourceSlices: KubeTable = {
  columns: columns("Name", "Node", "Driver", "Pool", "Age"),
  cells: (object: ResourceSlice, now) => [
    object.metadata.name ?? "",
    object.spec?.nodeName || "<unset>",
    object.spec?.driver ?? "",
    object.spec?.pool?.name ?? "",
    age(object, now),
  ],
};
