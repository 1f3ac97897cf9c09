import type {
  ControllerRevision,
  CronJob,
  DaemonSet,
  Deployment,
  HorizontalPodAutoscaler,
  Job,
  PodDisruptionBudget,
  ReplicaSet,
  ReplicationController,
  Scale,
  StatefulSet,
  V1HorizontalPodAutoscaler,
} from "../kube-types.generated.ts";
import { metricsText, v1MetricsText } from "./metrics.ts";
import {
  age,
  booleanText,
  columns,
  containerCells,
  humanDuration,
  labelText,
  NONE,
  selectorText,
  since,
  UNSET,
  type KubeTable,
} from "./cells.ts";

const WIDE = ["+Containers", "+Images", "+Selector"];
const replicaColumns = columns("Name", "Desired:integer", "Current:integer", "Ready:integer", "Age", ...WIDE);

export const replicationControllers: KubeTable = {
  columns: replicaColumns,
  cells: (object: ReplicationController, now) => [
    object.metadata.name ?? "",
    object.spec?.replicas ?? 0,
    object.status?.replicas ?? 0,
    object.status?.readyReplicas ?? 0,
    age(object, now),
    ...containerCells(object.spec?.template),
    labelText(object.spec?.selector),
  ],
};

export const replicaSets: KubeTable = {
  columns: replicaColumns,
  cells: (object: ReplicaSet, now) => [
    object.metadata.name ?? "",
    object.spec?.replicas ?? 0,
    object.status?.replicas ?? 0,
    object.status?.readyReplicas ?? 0,
    age(object, now),
    ...containerCells(object.spec?.template),
    selectorText(object.spec?.selector),
  ],
};

export const deployments: KubeTable = {
  columns: columns("Name", "Ready", "Up-to-date", "Available", "Age", ...WIDE),
  cells: (object: Deployment, now) => [
    object.metadata.name ?? "",
    `${object.status?.readyReplicas ?? 0}/${object.spec?.replicas ?? 0}`,
    object.status?.updatedReplicas ?? 0,
    object.status?.availableReplicas ?? 0,
    age(object, now),
    ...containerCells(object.spec?.template),
    selectorText(object.spec?.selector),
  ],
};

export const daemonSets: KubeTable = {
  columns: columns(
    "Name",
    "Desired:integer",
    "Current:integer",
    "Ready:integer",
    "Up-to-date:integer",
    "Available:integer",
    "Node Selector",
    "Age",
    ...WIDE,
  ),
  cells: (object: DaemonSet, now) => [
    object.metadata.name ?? "",
    object.status?.desiredNumberScheduled ?? 0,
    object.status?.currentNumberScheduled ?? 0,
    object.status?.numberReady ?? 0,
    object.status?.updatedNumberScheduled ?? 0,
    object.status?.numberAvailable ?? 0,
    labelText(object.spec?.template.spec?.nodeSelector),
    age(object, now),
    ...containerCells(object.spec?.template),
    selectorText(object.spec?.selector),
  ],
};

export const statefulSets: KubeTable = {
  columns: columns("Name", "Ready", "Age", "+Containers", "+Images"),
  cells: (object: StatefulSet, now) => [
    object.metadata.name ?? "",
    `${object.status?.readyReplicas ?? 0}/${object.spec?.replicas ?? 0}`,
    age(object, now),
    ...containerCells(object.spec?.template),
  ],
};

export const controllerRevisions: KubeTable = {
  columns: columns("Name", "Controller", "Revision", "Age"),
  cells: (object: ControllerRevision, now) => {
    const owner = object.metadata.ownerReferences?.find(({ controller }) => controller);
    const group = owner?.apiVersion.includes("/") ? `.${owner.apiVersion.split("/")[0] ?? ""}` : "";
    const text = owner ? `${owner.kind.toLowerCase()}${group}/${owner.name}` : NONE;
    return [object.metadata.name ?? "", text, object.revision, age(object, now)];
  },
};

export const jobs: KubeTable = {
  columns: columns("Name", "Status", "Completions", "Duration", "Age", ...WIDE),
  cells: (object: Job, now) => [
    object.metadata.name ?? "",
    jobStatus(object),
    completions(object),
    duration(object, now),
    age(object, now),
    ...containerCells(object.spec?.template),
    selectorText(object.spec?.selector),
  ],
};

function jobStatus({ metadata, status }: Job): string {
  const has = (type: string): boolean =>
    status?.conditions?.some((condition) => condition.type === type && condition.status === "True") ?? false;
  if (has("Complete")) return "Complete";
  if (has("Failed")) return "Failed";
  if (metadata.deletionTimestamp) return "Terminating";
  return ["Suspended", "FailureTarget", "SuccessCriteriaMet"].find(has) ?? "Running";
}

function completions({ spec, status }: Job): string {
  const done = status?.succeeded ?? 0;
  if (spec?.completions !== undefined) return `${done}/${spec.completions}`;
  const parallelism = spec?.parallelism ?? 0;
  return parallelism > 1 ? `${done}/1 of ${parallelism}` : `${done}/1`;
}

function duration({ status }: Job, now: number): string {
  if (!status?.startTime) return "";
  return humanDuration(
    (status.completionTime ? Date.parse(status.completionTime) : now) - Date.parse(status.startTime),
  );
}

export const cronJobs: KubeTable = {
  columns: columns(
    "Name",
    "Schedule",
    "Timezone",
    "Suspend:boolean",
    "Active:integer",
    "Last Schedule",
    "Age",
    ...WIDE,
  ),
  cells: (object: CronJob, now) => {
    const { spec, status, metadata } = object;
    const last = status?.lastScheduleTime;
    return [
      metadata.name ?? "",
      spec?.schedule ?? "",
      spec?.timeZone ?? NONE,
      booleanText(spec?.suspend),
      status?.active?.length ?? 0,
      last ? since(last, now) : NONE,
      age(object, now),
      ...containerCells(spec?.jobTemplate.spec?.template),
      selectorText(spec?.jobTemplate.spec?.selector),
    ];
  },
};

const autoscalerColumns = columns("Name", "Reference", "Targets", "MinPods", "MaxPods", "Replicas", "Age");

export const autoscalersV1: KubeTable = {
  columns: autoscalerColumns,
  cells: (object: V1HorizontalPodAutoscaler, now) => {
    const { spec, status, metadata } = object;
    const target = `${spec?.scaleTargetRef.kind ?? ""}/${spec?.scaleTargetRef.name ?? ""}`;
    return [
      metadata.name ?? "",
      target,
      v1MetricsText(object),
      minText(spec?.minReplicas),
      spec?.maxReplicas ?? 0,
      status?.currentReplicas ?? 0,
      age(object, now),
    ];
  },
};

export const autoscalers: KubeTable = {
  columns: autoscalerColumns,
  cells: (object: HorizontalPodAutoscaler, now) => {
    const { spec, status, metadata } = object;
    const target = `${spec?.scaleTargetRef.kind ?? ""}/${spec?.scaleTargetRef.name ?? ""}`;
    return [
      metadata.name ?? "",
      target,
      metricsText(spec?.metrics, status?.currentMetrics),
      minText(spec?.minReplicas),
      spec?.maxReplicas ?? 0,
      status?.currentReplicas ?? 0,
      age(object, now),
    ];
  },
};

function minText(minReplicas: number | undefined): string {
  return minReplicas === undefined ? UNSET : String(minReplicas);
}

export const disruptionBudgets: KubeTable = {
  columns: columns("Name", "Min Available", "Max Unavailable", "Allowed Disruptions:integer", "Age"),
  cells: (object: PodDisruptionBudget, now) => [
    object.metadata.name ?? "",
    String(object.spec?.minAvailable ?? "N/A"),
    String(object.spec?.maxUnavailable ?? "N/A"),
    object.status?.disruptionsAllowed ?? 0,
    age(object, now),
  ],
};

export const scales: KubeTable = {
  columns: columns("Name", "Desired:integer", "Available:integer", "Age"),
  cells: (object: Scale, now) => [
    object.metadata.name ?? "",
    object.spec?.replicas ?? 0,
    object.status?.replicas ?? 0,
    age(object, now),
  ],
};
