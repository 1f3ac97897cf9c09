import { containerResources, isPodLevelResource, writeResources } from "../kube-pod.ts";
import type { Pod, PodSpec, PodTemplateSpec } from "../kube-types.generated.ts";
import { defaultContainer } from "./containers.ts";
import { fillResources, roundRequirements, roundResources } from "./resources.ts";
import { defaultVolume } from "./volumes.ts";

/** SetDefaults_Pod: what a pod gets and a template does not. */
export function defaultPod(pod: Pod): void {
  const spec = (pod.spec ??= { containers: [] });
  defaultPodSpec(spec);
  for (const { resources } of [...spec.containers, ...(spec.initContainers ?? [])]) {
    if (!resources?.limits) continue;
    const requests = fillResources(resources.requests, resources.limits);
    if (requests) resources.requests = requests;
  }
  defaultPodResources(spec);
  spec.enableServiceLinks ??= true;
  if (!spec.hostNetwork) return;
  for (const container of [...spec.containers, ...(spec.initContainers ?? [])]) {
    for (const port of container.ports ?? []) port.hostPort ||= port.containerPort;
  }
}

/** Pod-level resources: huge page limits and requests that follow from the containers and from the pod's limits. */
function defaultPodResources(spec: PodSpec): void {
  const { resources } = spec;
  if (!resources || (count(resources.limits) === 0 && count(resources.requests) === 0)) return;
  const limits = writeResources(containerResources(spec, "limits"));
  const pages = Object.entries(limits).filter(
    ([name]) => name.startsWith("hugepages-") && !(name in (resources.requests ?? {})),
  );
  const filled = fillResources(resources.limits, Object.fromEntries(pages));
  if (filled) resources.limits = filled;
  if (count(resources.limits) === 0) return;
  const supported = (list: Record<string, string> | undefined, overcommit: boolean): Record<string, string> =>
    Object.fromEntries(
      Object.entries(list ?? {}).filter(
        ([name]) => isPodLevelResource(name) && !(overcommit && name.startsWith("hugepages-")),
      ),
    );
  const fromContainers = fillResources(
    resources.requests,
    supported(writeResources(containerResources(spec, "requests")), true),
  );
  const requests = fillResources(fromContainers, supported(resources.limits, false));
  if (requests) resources.requests = requests;
}

function count(list: Record<string, string> | undefined): number {
  return Object.keys(list ?? {}).length;
}

/** SetDefaults_PodSpec and everything below it. */
export function defaultPodSpec(spec: PodSpec): void {
  spec.containers ??= [];
  spec.dnsPolicy ||= "ClusterFirst";
  spec.restartPolicy ||= "Always";
  spec.securityContext ??= {};
  spec.terminationGracePeriodSeconds ??= 30;
  spec.schedulerName ||= "default-scheduler";
  // The old and the new name of the service account stand side by side.
  const account = spec.serviceAccountName || spec.serviceAccount;
  if (account) spec.serviceAccountName = spec.serviceAccount = account;
  for (const volume of spec.volumes ?? []) defaultVolume(volume);
  for (const container of spec.containers) defaultContainer(container);
  for (const container of spec.initContainers ?? []) defaultContainer(container);
  for (const container of spec.ephemeralContainers ?? []) defaultContainer(container);
  roundResources(spec.overhead);
  roundRequirements(spec.resources);
}

export function defaultTemplate(template: PodTemplateSpec | undefined): void {
  if (template) defaultPodSpec((template.spec ??= { containers: [] }));
}
