import type {
  ConfigMap,
  Endpoints,
  EndpointSlice,
  Event,
  EventsV1Event,
  Namespace,
  Node,
  PersistentVolume,
  PersistentVolumeClaim,
  ResourceQuota,
  Secret,
  Service,
  ServiceAccount,
  ServicePort,
} from "../kube-types.generated.ts";
import {
  accessModesText,
  age,
  columns,
  labelText,
  listText,
  NONE,
  since,
  UNKNOWN,
  UNSET,
  type Cell,
  type KubeTable,
} from "./cells.ts";

const ROLE_LABEL = "node-role.kubernetes.io/";

export const nodes: KubeTable = {
  columns: columns(
    "Name",
    "Status",
    "Roles",
    "Age",
    "Version",
    "+Internal-IP",
    "+External-IP",
    "+OS-Image",
    "+Kernel-Version",
    "+Container-Runtime",
  ),
  cells: (node: Node, now) => {
    const info = node.status?.nodeInfo;
    const address = (type: string): string =>
      node.status?.addresses?.find((entry) => entry.type === type)?.address ?? NONE;
    return [
      node.metadata.name ?? "",
      nodeStatus(node),
      nodeRoles(node),
      age(node, now),
      info?.kubeletVersion ?? "",
      address("InternalIP"),
      address("ExternalIP"),
      info?.osImage || UNKNOWN,
      info?.kernelVersion || UNKNOWN,
      info?.containerRuntimeVersion || UNKNOWN,
    ];
  },
};

function nodeStatus({ spec, status }: Node): string {
  const ready = status?.conditions?.find(({ type }) => type === "Ready");
  const text = ready ? (ready.status === "True" ? "Ready" : "NotReady") : "Unknown";
  return spec?.unschedulable ? `${text},SchedulingDisabled` : text;
}

function nodeRoles({ metadata }: Node): string {
  const roles = new Set<string>();
  for (const [label, value] of Object.entries(metadata.labels ?? {})) {
    if (label.startsWith(ROLE_LABEL) && label.length > ROLE_LABEL.length) roles.add(label.slice(ROLE_LABEL.length));
    else if (label === "kubernetes.io/role" && value !== "") roles.add(value);
  }
  return roles.size === 0 ? NONE : [...roles].sort().join(",");
}

export const namespaces: KubeTable = {
  columns: columns("Name", "Status", "Age"),
  cells: (object: Namespace, now) => [object.metadata.name ?? "", object.status?.phase ?? "", age(object, now)],
};

export const services: KubeTable = {
  columns: columns("Name", "Type", "Cluster-IP", "External-IP", "Port(s)", "Age", "+Selector"),
  cells: (service: Service, now) => [
    service.metadata.name ?? "",
    service.spec?.type ?? "",
    service.spec?.clusterIPs?.[0] || service.spec?.clusterIP || NONE,
    externalIps(service),
    portsText(service.spec?.ports),
    age(service, now),
    labelText(service.spec?.selector),
  ],
};

function externalIps({ spec, status }: Service): string {
  const given = spec?.externalIPs ?? [];
  switch (spec?.type) {
    case "ClusterIP":
    case "NodePort":
      return given.join(",") || NONE;
    case "LoadBalancer": {
      const assigned = balancerText(status?.loadBalancer?.ingress);
      return [...(assigned ? [assigned] : []), ...given].join(",") || "<pending>";
    }
    case "ExternalName":
      return spec.externalName ?? "";
    default:
      return UNKNOWN;
  }
}

/** Addresses or names of a load balancer, sorted. */
export function balancerText(ingress: readonly { ip?: string; hostname?: string }[] | undefined): string {
  return [...new Set((ingress ?? []).map(({ ip, hostname }) => ip || hostname || "").filter((text) => text !== ""))]
    .sort()
    .join(",");
}

function portsText(ports: readonly ServicePort[] | undefined): string {
  const texts = (ports ?? []).map(
    ({ port, nodePort, protocol }) => `${port}${nodePort ? `:${nodePort}` : ""}/${protocol ?? "TCP"}`,
  );
  return texts.join(",") || NONE;
}

export const endpoints: KubeTable = {
  columns: columns("Name", "Endpoints", "Age"),
  cells: (object: Endpoints, now) => {
    const texts = (object.subsets ?? []).flatMap(({ addresses = [], ports = [] }) =>
      ports.length === 0
        ? addresses.map(({ ip }) => ip)
        : ports.flatMap(({ port }) => addresses.map(({ ip }) => hostPort(ip, port))),
    );
    return [object.metadata.name ?? "", listText(texts, 3, NONE), age(object, now)];
  },
};

function hostPort(ip: string, port: number): string {
  return ip.includes(":") ? `[${ip}]:${port}` : `${ip}:${port}`;
}

export const endpointSlices: KubeTable = {
  columns: columns("Name", "AddressType", "Ports", "Endpoints", "Age"),
  cells: (slice: EndpointSlice, now) => [
    slice.metadata.name ?? "",
    slice.addressType,
    listText(
      (slice.ports ?? []).map(({ port, name }) => (port === undefined ? name || "*" : String(port))),
      3,
      UNSET,
    ),
    listText(
      (slice.endpoints ?? []).flatMap(({ addresses }) => addresses),
      3,
      UNSET,
    ),
    age(slice, now),
  ],
};

export const events: KubeTable = {
  columns: columns(
    "Last Seen",
    "Type",
    "Reason",
    "Object",
    "+Subobject",
    "+Source",
    "Message",
    "+First Seen",
    "+Count",
    "+Name",
  ),
  cells: eventCells,
};

function eventCells(event: Event, now: number): Cell[] {
  const { involvedObject: about, source, series } = event;
  const first = event.firstTimestamp ?? event.eventTime;
  const last = series?.lastObservedTime ?? event.lastTimestamp ?? first;
  const component = event.reportingComponent || source?.component || "";
  const instance = event.reportingInstance || source?.host || "";
  const kind = (about?.kind ?? "").toLowerCase();
  return [
    since(last, now),
    event.type ?? "",
    event.reason ?? "",
    about?.name ? `${kind}/${about.name}` : kind,
    about?.fieldPath ?? "",
    instance === "" ? component : `${component}, ${instance}`,
    (event.message ?? "").trim(),
    since(first, now),
    series?.count ?? (event.count || 1),
    event.metadata.name ?? "",
  ];
}

/** events.k8s.io shows the same columns. */
export const eventsV1: KubeTable = {
  columns: events.columns,
  cells: (event: EventsV1Event, now) => {
    const old: Record<string, unknown> = {
      metadata: event.metadata,
      involvedObject: event.regarding ?? {},
      reason: event.reason,
      message: event.note,
      type: event.type,
      eventTime: event.eventTime,
      series: event.series,
      reportingComponent: event.reportingController,
      reportingInstance: event.reportingInstance,
      source: event.deprecatedSource,
      firstTimestamp: event.deprecatedFirstTimestamp,
      lastTimestamp: event.deprecatedLastTimestamp,
      count: event.deprecatedCount,
    };
    return eventCells(old as unknown as Event, now);
  },
};

export const configMaps: KubeTable = {
  columns: columns("Name", "Data", "Age"),
  cells: (object: ConfigMap, now) => [
    object.metadata.name ?? "",
    count(object.data) + count(object.binaryData),
    age(object, now),
  ],
};

function count(data: object | undefined): number {
  return Object.keys(data ?? {}).length;
}

export const secrets: KubeTable = {
  columns: columns("Name", "Type", "Data", "Age"),
  cells: (object: Secret, now) => [object.metadata.name ?? "", object.type ?? "", count(object.data), age(object, now)],
};

export const serviceAccounts: KubeTable = {
  columns: columns("Name", "Secrets", "Age"),
  cells: (object: ServiceAccount, now) => [object.metadata.name ?? "", object.secrets?.length ?? 0, age(object, now)],
};

export const persistentVolumes: KubeTable = {
  columns: columns(
    "Name",
    "Capacity",
    "Access Modes",
    "Reclaim Policy",
    "Status",
    "Claim",
    "StorageClass",
    "VolumeAttributesClass",
    "Reason",
    "Age",
    "+VolumeMode",
  ),
  cells: (object: PersistentVolume, now) => {
    const { spec, status, metadata } = object;
    const claim = spec?.claimRef ? `${spec.claimRef.namespace ?? ""}/${spec.claimRef.name ?? ""}` : "";
    return [
      metadata.name ?? "",
      spec?.capacity?.["storage"] ?? "",
      accessModesText(spec?.accessModes),
      spec?.persistentVolumeReclaimPolicy ?? "",
      metadata.deletionTimestamp ? "Terminating" : (status?.phase ?? ""),
      claim,
      spec?.storageClassName ?? "",
      spec?.volumeAttributesClassName ?? UNSET,
      status?.reason ?? "",
      age(object, now),
      spec?.volumeMode ?? UNSET,
    ];
  },
};

export const persistentVolumeClaims: KubeTable = {
  columns: columns(
    "Name",
    "Status",
    "Volume",
    "Capacity",
    "Access Modes",
    "StorageClass",
    "VolumeAttributesClass",
    "Age",
    "+VolumeMode",
  ),
  cells: (object: PersistentVolumeClaim, now) => {
    const { spec, status, metadata } = object;
    const bound = Boolean(spec?.volumeName);
    return [
      metadata.name ?? "",
      metadata.deletionTimestamp ? "Terminating" : (status?.phase ?? ""),
      spec?.volumeName ?? "",
      bound ? (status?.capacity?.["storage"] ?? "") : "",
      bound ? accessModesText(status?.accessModes) : "",
      spec?.storageClassName ?? metadata.annotations?.["volume.beta.kubernetes.io/storage-class"] ?? "",
      spec?.volumeAttributesClassName ?? UNSET,
      age(object, now),
      spec?.volumeMode ?? UNSET,
    ];
  },
};

export const resourceQuotas: KubeTable = {
  columns: columns("Name", "Request", "Limit", "Age"),
  cells: (object: ResourceQuota, now) => {
    const { hard = {}, used = {} } = object.status ?? {};
    const text = (limits: boolean): string =>
      Object.keys(hard)
        .filter((name) => name.startsWith("limits") === limits)
        .sort()
        .map((name) => `${name}: ${used[name] ?? "0"}/${hard[name] ?? "0"}`)
        .join(", ");
    return [object.metadata.name ?? "", text(false), text(true), age(object, now)];
  },
};
