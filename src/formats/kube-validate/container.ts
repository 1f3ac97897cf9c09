import { isDnsLabel, isPortName, isPortNumber } from "../kube-names.ts";
import type {
  Container,
  ContainerPort,
  EphemeralContainer,
  PodSpec,
  VolumeDevice,
  VolumeMount,
} from "../kube-types.generated.ts";
import {
  at,
  child,
  duplicate,
  each,
  forbidden,
  invalid,
  invalidEach,
  notFound,
  oneOf,
  optionalOneOf,
  required,
  type FieldErrors,
} from "./errors.ts";
import { checkEnv, checkEnvFrom } from "./env.ts";
import { checkRelativePath } from "./paths.ts";
import { checkHooks, checkNoHooks } from "./probes.ts";
import { checkRequirements } from "./resources.ts";
import { checkSecurityContext } from "./security.ts";

/** What the containers of one pod share. */
export interface PodScope {
  readonly spec: PodSpec;
  /** `spec`, or `spec.template.spec` */
  readonly path: string;
  readonly volumes: ReadonlySet<string>;
  readonly claims: ReadonlySet<string>;
}

const PULL_POLICIES = ["Always", "IfNotPresent", "Never"];
const RESTART_POLICIES = ["Always", "Never", "OnFailure"];
const PROTOCOLS = ["SCTP", "TCP", "UDP"];

/** All containers of a pod: regular, init and ephemeral ones. */
export function checkContainers(scope: PodScope): FieldErrors {
  const { spec, path } = scope;
  const names = new Set<string>();
  const errors: FieldErrors = spec.containers.length > 0 ? [] : [required(child(path, "containers"))];
  errors.push(
    ...each(child(path, "containers"), spec.containers, (container, where) => [
      ...checkName(container.name, names, where),
      ...checkContainer(container, scope, where),
      ...checkHooks(container, spec.terminationGracePeriodSeconds, where),
    ]),
  );
  errors.push(...checkHostPorts(spec.containers, child(path, "containers")));
  errors.push(
    ...each(child(path, "initContainers"), spec.initContainers, (container, where) => [
      ...checkName(container.name, names, where),
      ...checkContainer(container, scope, where),
      ...checkHostPorts([container], child(path, "initContainers")),
      ...(container.restartPolicy === "Always"
        ? checkHooks(container, spec.terminationGracePeriodSeconds, where)
        : checkNoHooks(container, where)),
    ]),
  );
  errors.push(
    ...each(child(path, "ephemeralContainers"), spec.ephemeralContainers, (container, where) => [
      ...checkName(container.name, names, where),
      ...checkEphemeral(container, scope, where),
    ]),
  );
  return errors;
}

function checkName(name: string, names: Set<string>, path: string): FieldErrors {
  const where = child(path, "name");
  if (!name) return [required(where)];
  const errors = invalidEach(where, name, isDnsLabel(name));
  if (names.has(name)) errors.push(duplicate(where, name));
  names.add(name);
  return errors;
}

function checkContainer(container: Container | EphemeralContainer, scope: PodScope, path: string): FieldErrors {
  const { image, imagePullPolicy, terminationMessagePolicy } = container;
  const errors: FieldErrors = [];
  if (!image) errors.push(required(child(path, "image")));
  else if (image !== image.trim())
    errors.push(invalid(child(path, "image"), image, "must not have leading or trailing whitespace"));
  errors.push(
    ...oneOf(child(path, "terminationMessagePolicy"), terminationMessagePolicy, ["FallbackToLogsOnError", "File"]),
  );
  errors.push(...checkPorts(container.ports, child(path, "ports")));
  errors.push(...checkEnv(container.env, child(path, "env")));
  errors.push(...checkEnvFrom(container.envFrom, child(path, "envFrom")));
  errors.push(...checkMounts(container, scope, child(path, "volumeMounts")));
  errors.push(...checkDevices(container.volumeDevices, scope, child(path, "volumeDevices")));
  errors.push(...oneOf(child(path, "imagePullPolicy"), imagePullPolicy, PULL_POLICIES));
  errors.push(...checkRequirements(container.resources, scope.claims, child(path, "resources")));
  errors.push(...optionalOneOf(child(path, "restartPolicy"), container.restartPolicy, RESTART_POLICIES));
  errors.push(...checkSecurityContext(container.securityContext, scope.spec, child(path, "securityContext")));
  return errors;
}

function checkEphemeral(container: EphemeralContainer, scope: PodScope, path: string): FieldErrors {
  const errors = checkContainer(container, scope, path);
  const { targetContainerName } = container;
  const known = [...scope.spec.containers, ...(scope.spec.initContainers ?? [])].some(
    ({ name }) => name === targetContainerName,
  );
  if (targetContainerName && !known) errors.push(notFound(child(path, "targetContainerName"), targetContainerName));
  const barred = ["lifecycle", "livenessProbe", "ports", "readinessProbe", "startupProbe"] as const;
  for (const field of barred) {
    const value = container[field];
    if (value && !(Array.isArray(value) && value.length === 0))
      errors.push(forbidden(child(path, field), "cannot be set for an Ephemeral Container"));
  }
  const { limits, requests } = container.resources ?? {};
  if (limits || requests) errors.push(forbidden(child(path, "resources"), "cannot be set for an Ephemeral Container"));
  for (const [index, mount] of (container.volumeMounts ?? []).entries()) {
    for (const field of ["subPath", "subPathExpr"] as const) {
      if (mount[field])
        errors.push(
          forbidden(child(at(child(path, "volumeMounts"), index), field), "cannot be set for an Ephemeral Container"),
        );
    }
  }
  return errors;
}

function checkPorts(ports: readonly ContainerPort[] | undefined, path: string): FieldErrors {
  const names = new Set<string>();
  return each(path, ports, ({ name, containerPort, hostPort, protocol }, where) => {
    const errors: FieldErrors = [];
    if (name) {
      const wrong = isPortName(name);
      errors.push(...invalidEach(child(where, "name"), name, wrong));
      if (wrong.length === 0 && names.has(name)) errors.push(duplicate(child(where, "name"), name));
      names.add(name);
    }
    if (!containerPort) errors.push(required(child(where, "containerPort")));
    else errors.push(...invalidEach(child(where, "containerPort"), containerPort, isPortNumber(containerPort)));
    if (hostPort) errors.push(...invalidEach(child(where, "hostPort"), hostPort, isPortNumber(hostPort)));
    errors.push(...oneOf(child(where, "protocol"), protocol, PROTOCOLS));
    return errors;
  });
}

/** checkHostPortConflicts: two containers cannot have one port of the host. */
function checkHostPorts(containers: readonly Container[], path: string): FieldErrors {
  const taken = new Set<string>();
  return each(path, containers, ({ ports }, where) =>
    each(child(where, "ports"), ports, ({ hostPort, hostIP, protocol }, portPath) => {
      if (!hostPort) return [];
      const text = `${protocol ?? ""}/${hostIP ?? ""}/${hostPort}`;
      const clash = taken.has(text);
      taken.add(text);
      return clash ? [duplicate(child(portPath, "hostPort"), text)] : [];
    }),
  );
}

function checkMounts(container: Container | EphemeralContainer, scope: PodScope, path: string): FieldErrors {
  const paths = new Set<string>();
  const devices = new Set((container.volumeDevices ?? []).map(({ devicePath }) => devicePath));
  const names = new Set((container.volumeDevices ?? []).map(({ name }) => name));
  return each(path, container.volumeMounts, (mount, where) => {
    const errors: FieldErrors = [];
    const { name, mountPath } = mount;
    if (!name) errors.push(required(child(where, "name")));
    if (name && !scope.volumes.has(name)) errors.push(notFound(child(where, "name"), name));
    if (!mountPath) errors.push(required(child(where, "mountPath")));
    if (paths.has(mountPath)) errors.push(invalid(child(where, "mountPath"), mountPath, "must be unique"));
    paths.add(mountPath);
    if (names.has(name)) errors.push(invalid(child(where, "name"), name, "must not already exist in volumeDevices"));
    if (devices.has(mountPath))
      errors.push(invalid(child(where, "mountPath"), mountPath, "must not already exist as a path in volumeDevices"));
    errors.push(...checkSubPaths(mount, where));
    errors.push(...checkPropagation(mount, container.securityContext?.privileged ?? false, where));
    return errors;
  });
}

function checkSubPaths({ subPath, subPathExpr }: VolumeMount, path: string): FieldErrors {
  const errors = subPath ? checkRelativePath(subPath, child(path, "subPath")) : [];
  if (!subPathExpr) return errors;
  if (subPath)
    errors.push(invalid(child(path, "subPathExpr"), subPathExpr, "subPathExpr and subPath are mutually exclusive"));
  return [...errors, ...checkRelativePath(subPathExpr, child(path, "subPathExpr"))];
}

function checkPropagation(mount: VolumeMount, privileged: boolean, path: string): FieldErrors {
  const { mountPropagation, recursiveReadOnly, readOnly } = mount;
  const where = child(path, "mountPropagation");
  const errors = optionalOneOf(where, mountPropagation, ["Bidirectional", "HostToContainer", "None"]);
  if (mountPropagation === "Bidirectional" && !privileged) {
    errors.push(forbidden(where, "Bidirectional mount propagation is available only to privileged containers"));
  }
  const recursive = child(path, "recursiveReadOnly");
  errors.push(...optionalOneOf(recursive, recursiveReadOnly, ["Disabled", "Enabled", "IfPossible"]));
  if (recursiveReadOnly && recursiveReadOnly !== "Disabled") {
    if (!readOnly) errors.push(forbidden(recursive, "may only be specified when readOnly is true"));
    if (mountPropagation && mountPropagation !== "None") {
      errors.push(forbidden(recursive, "may only be specified when mountPropagation is None or not specified"));
    }
  }
  return errors;
}

function checkDevices(devices: readonly VolumeDevice[] | undefined, scope: PodScope, path: string): FieldErrors {
  const names = new Set<string>();
  const paths = new Set<string>();
  return each(path, devices, ({ name, devicePath }, where) => {
    const errors: FieldErrors = [];
    if (!name) errors.push(required(child(where, "name")));
    else if (names.has(name)) errors.push(invalid(child(where, "name"), name, "must be unique"));
    else if (!scope.volumes.has(name)) errors.push(notFound(child(where, "name"), name));
    if (!devicePath) errors.push(required(child(where, "devicePath")));
    else if (paths.has(devicePath)) errors.push(invalid(child(where, "devicePath"), devicePath, "must be unique"));
    else if (devicePath.split("/").includes(".."))
      errors.push(invalid(child(where, "devicePath"), devicePath, "can not contain backsteps ('..')"));
    names.add(name);
    paths.add(devicePath);
    return errors;
  });
}
