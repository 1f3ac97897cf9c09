import type { Container, EphemeralContainer, HTTPGetAction, LifecycleHandler, Probe } from "../kube-types.generated.ts";
import { roundRequirements } from "./resources.ts";

/** Defaults of every kind of container (SetDefaults_Container, _EphemeralContainer, _Probe, _HTTPGetAction, …). */
export function defaultContainer(container: Container | EphemeralContainer): void {
  container.imagePullPolicy ||= defaultPullPolicy(container.image);
  container.terminationMessagePath ||= "/dev/termination-log";
  container.terminationMessagePolicy ||= "File";
  for (const port of container.ports ?? []) port.protocol ||= "TCP";
  for (const { valueFrom } of container.env ?? []) if (valueFrom?.fieldRef) valueFrom.fieldRef.apiVersion ||= "v1";
  roundRequirements(container.resources);
  for (const probe of [container.livenessProbe, container.readinessProbe, container.startupProbe]) defaultProbe(probe);
  defaultHandler(container.lifecycle?.postStart);
  defaultHandler(container.lifecycle?.preStop);
}

/** `Always` for images that mean a moving tag, `IfNotPresent` for the rest. */
export function defaultPullPolicy(image: string | undefined): "Always" | "IfNotPresent" {
  return imageTag(image ?? "") === "latest" ? "Always" : "IfNotPresent";
}

/** The tag, `latest` when there is neither tag nor digest; empty for what is no image reference. */
function imageTag(image: string): string {
  const match =
    /^((?:[\w.-]+|\[[0-9a-fA-F:]+\])(?::[0-9]+)?\/)?[a-z0-9._/-]+(?::([\w.-]{1,128}))?(@[a-z0-9+._-]+:[0-9a-fA-F]+)?$/i.exec(
      image,
    );
  if (!match) return "";
  const [, domain = "", tag, digest] = match;
  const path = image.slice(domain.length).replace(/[:@].*$/s, "");
  if (/[A-Z]/.test(path)) return "";
  return tag ?? (digest ? "" : "latest");
}

function defaultProbe(probe: Probe | undefined): void {
  if (!probe) return;
  probe.timeoutSeconds ||= 1;
  probe.periodSeconds ||= 10;
  probe.successThreshold ||= 1;
  probe.failureThreshold ||= 3;
  defaultHttpGet(probe.httpGet);
  if (probe.grpc) probe.grpc.service ??= "";
}

function defaultHandler(handler: LifecycleHandler | undefined): void {
  defaultHttpGet(handler?.httpGet);
}

function defaultHttpGet(action: HTTPGetAction | undefined): void {
  if (!action) return;
  action.path ||= "/";
  action.scheme ||= "HTTP";
}
