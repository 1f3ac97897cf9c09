import type {
  PersistentVolumeClaim,
  Pod,
  PodTemplateSpec,
  StatefulSet,
  Volume,
} from "#formats/kube-types.generated.ts";
import { RESOURCES } from "#formats/kube-resources.ts";
import { podFromTemplate } from "../shared/pod-control.ts";
import { REVISION_LABEL } from "../shared/revisions.ts";

const POD_NAME_LABEL = "statefulset.kubernetes.io/pod-name";
const POD_INDEX_LABEL = "apps.kubernetes.io/pod-index";

/** The name of the pod of an ordinal. */
export function podName(set: StatefulSet, ordinal: number): string {
  return `${set.metadata.name ?? ""}-${ordinal}`;
}

/** The ordinal of a pod of the set; undefined when its name is not one of the set's. */
export function ordinalOf(set: StatefulSet, { metadata }: Pod): number | undefined {
  const prefix = `${set.metadata.name ?? ""}-`;
  const rest = metadata.name?.startsWith(prefix) ? metadata.name.slice(prefix.length) : "";
  return /^(0|[1-9][0-9]*)$/.test(rest) ? Number(rest) : undefined;
}

export function firstOrdinal(set: StatefulSet): number {
  return set.spec?.ordinals?.start ?? 0;
}

/** `data-web-0`. */
export function claimName(set: StatefulSet, template: PersistentVolumeClaim, ordinal: number): string {
  return `${template.metadata.name ?? ""}-${podName(set, ordinal)}`;
}

/** The pod of an ordinal by a template (the set's own, or that of an older revision), its volumes leading to its own claims. */
export function statefulPod(set: StatefulSet, template: PodTemplateSpec, ordinal: number, hash: string): Pod {
  const name = podName(set, ordinal);
  const pod = podFromTemplate(template, RESOURCES.statefulsets, set, name);
  const claims = (set.spec?.volumeClaimTemplates ?? []).map((each): Volume => ({
    name: each.metadata.name ?? "",
    persistentVolumeClaim: { claimName: claimName(set, each, ordinal), readOnly: false },
  }));
  const own = new Set(claims.map((volume) => volume.name));
  const volumes = [...claims, ...(pod.spec?.volumes ?? []).filter((volume) => !own.has(volume.name))];
  return {
    ...pod,
    metadata: {
      ...pod.metadata,
      labels: {
        ...pod.metadata.labels,
        [POD_NAME_LABEL]: name,
        [POD_INDEX_LABEL]: String(ordinal),
        [REVISION_LABEL]: hash,
      },
    },
    spec: {
      ...pod.spec,
      containers: pod.spec?.containers ?? [],
      hostname: name,
      subdomain: set.spec?.serviceName,
      ...(volumes.length > 0 && { volumes }),
    },
  };
}

/** Labels that a pod must have to be found by its name; undefined when it has them. */
export function missingIdentity(pod: Pod): Record<string, string> | undefined {
  const { name = "", labels } = pod.metadata;
  const index = name.slice(name.lastIndexOf("-") + 1);
  if (labels?.[POD_NAME_LABEL] === name && labels[POD_INDEX_LABEL] === index) return undefined;
  return { [POD_NAME_LABEL]: name, [POD_INDEX_LABEL]: index };
}

/** The claims of an ordinal, as the set's templates say. */
export function claimsOf(set: StatefulSet, ordinal: number): PersistentVolumeClaim[] {
  return (set.spec?.volumeClaimTemplates ?? []).map((template) => ({
    apiVersion: "v1",
    kind: "PersistentVolumeClaim",
    metadata: {
      ...(template.metadata.annotations && { annotations: template.metadata.annotations }),
      name: claimName(set, template, ordinal),
      namespace: set.metadata.namespace,
      labels: { ...template.metadata.labels, ...set.spec?.selector.matchLabels },
    },
    spec: template.spec,
  }));
}
