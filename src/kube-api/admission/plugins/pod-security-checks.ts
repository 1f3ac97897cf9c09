// The checks of the pod security standards, with upstream's texts (k8s.io/pod-security-admission/policy).
import type { KubeObject } from "#formats/kube-object.ts";
import type { Container, PodSpec } from "#formats/kube-types.generated.ts";
import { allContainers } from "./pods.ts";

export type Level = "privileged" | "baseline" | "restricted";

/** Gives the fault, or undefined. */
type Check = (spec: PodSpec, metadata: KubeObject["metadata"]) => string | undefined;

/** What keeps a pod from a level; nothing does from privileged. */
export function violations(level: Level, spec: PodSpec, metadata: KubeObject["metadata"]): string[] {
  const checks = level === "privileged" ? [] : level === "baseline" ? BASELINE : RESTRICTED;
  return checks.flatMap((check) => check(spec, metadata) ?? []);
}

const quote = (values: readonly string[]): string => values.map((value) => JSON.stringify(value)).join(", ");
const plural = (values: readonly unknown[], one: string, many: string): string => (values.length === 1 ? one : many);

/** `container "a"`, `containers "a", "b"` */
function named(containers: readonly Container[]): string {
  return `${plural(containers, "container", "containers")} ${quote(containers.map(({ name }) => name))}`;
}

function offenders(spec: PodSpec, test: (container: Container) => boolean): Container[] {
  return allContainers(spec).filter(test);
}

const hostNamespaces: Check = ({ hostNetwork, hostPID, hostIPC }) => {
  const used = Object.entries({ hostNetwork, hostPID, hostIPC })
    .filter(([, on]) => on)
    .map(([name]) => `${name}=true`);
  return used.length === 0 ? undefined : `host namespaces (${used.join(", ")})`;
};

const privileged: Check = (spec) => {
  const found = offenders(spec, ({ securityContext }) => securityContext?.privileged === true);
  return found.length === 0 ? undefined : `privileged (${named(found)} must not set securityContext.privileged=true)`;
};

const BASELINE_CAPABILITIES = new Set([
  "AUDIT_WRITE",
  "CHOWN",
  "DAC_OVERRIDE",
  "FOWNER",
  "FSETID",
  "KILL",
  "MKNOD",
  "NET_BIND_SERVICE",
  "SETFCAP",
  "SETGID",
  "SETPCAP",
  "SETUID",
  "SYS_CHROOT",
]);

const baselineCapabilities: Check = (spec) => {
  const extra = (container: Container): string[] =>
    (container.securityContext?.capabilities?.add ?? []).filter((name) => !BASELINE_CAPABILITIES.has(name));
  const found = offenders(spec, (container) => extra(container).length > 0);
  if (found.length === 0) return undefined;
  const names = Array.from(new Set(found.flatMap(extra))).toSorted();
  return `non-default capabilities (${named(found)} must not include ${quote(names)} in securityContext.capabilities.add)`;
};

const hostPaths: Check = ({ volumes = [] }) => {
  const found = volumes.filter(({ hostPath }) => hostPath).map(({ name }) => name);
  return found.length === 0 ? undefined : `hostPath volumes (${plural(found, "volume", "volumes")} ${quote(found)})`;
};

const hostPorts: Check = (spec) => {
  const ports = (container: Container): number[] =>
    (container.ports ?? []).flatMap(({ hostPort }) => (hostPort ? [hostPort] : []));
  const found = offenders(spec, (container) => ports(container).length > 0);
  if (found.length === 0) return undefined;
  const numbers = Array.from(new Set(found.flatMap(ports))).toSorted((a, b) => a - b);
  return `hostPort (${named(found)} ${plural(found, "uses", "use")} ${plural(numbers, "hostPort", "hostPorts")} ${numbers.join(", ")})`;
};

const procMount: Check = (spec) => {
  const found = offenders(
    spec,
    ({ securityContext }) => securityContext?.procMount !== undefined && securityContext.procMount !== "Default",
  );
  if (found.length === 0) return undefined;
  const types = Array.from(new Set(found.map(({ securityContext }) => String(securityContext?.procMount)))).toSorted();
  return `procMount (${named(found)} must not set securityContext.procMount to ${quote(types)})`;
};

const SELINUX_TYPES = new Set(["", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"]);

const seLinux: Check = (spec) => {
  const contexts = [spec.securityContext, ...allContainers(spec).map(({ securityContext }) => securityContext)];
  const bad = contexts.some((context) => {
    const options = context?.seLinuxOptions;
    return (
      options !== undefined &&
      (!SELINUX_TYPES.has(options.type ?? "") || Boolean(options.user) || Boolean(options.role))
    );
  });
  return bad ? "seLinuxOptions (type, user or role set to a forbidden value)" : undefined;
};

const SAFE_SYSCTLS = new Set([
  "kernel.shm_rmid_forced",
  "net.ipv4.ip_local_port_range",
  "net.ipv4.ip_unprivileged_port_start",
  "net.ipv4.tcp_syncookies",
  "net.ipv4.ping_group_range",
  "net.ipv4.ip_local_reserved_ports",
  "net.ipv4.tcp_keepalive_time",
  "net.ipv4.tcp_fin_timeout",
  "net.ipv4.tcp_keepalive_intvl",
  "net.ipv4.tcp_keepalive_probes",
  "net.ipv4.tcp_rmem",
  "net.ipv4.tcp_wmem",
]);

const sysctls: Check = ({ securityContext }) => {
  const found = (securityContext?.sysctls ?? []).map(({ name }) => name).filter((name) => !SAFE_SYSCTLS.has(name));
  return found.length === 0 ? undefined : `forbidden sysctls (${found.join(", ")})`;
};

const appArmor: Check = (spec) => {
  const types = [spec.securityContext, ...allContainers(spec).map(({ securityContext }) => securityContext)].map(
    (context) => context?.appArmorProfile?.type,
  );
  return types.includes("Unconfined") ? "forbidden AppArmor profile (Unconfined)" : undefined;
};

function seccompTypes(spec: PodSpec): (string | undefined)[] {
  return allContainers(spec).map(({ securityContext }) => securityContext?.seccompProfile?.type);
}

const baselineSeccomp: Check = (spec) => {
  const own = spec.securityContext?.seccompProfile?.type === "Unconfined";
  const found = offenders(spec, ({ securityContext }) => securityContext?.seccompProfile?.type === "Unconfined");
  if (!own && found.length === 0) return undefined;
  const who = [...(own ? ["pod"] : []), ...(found.length > 0 ? [named(found)] : [])];
  return `seccompProfile (${who.join(" and ")} must not set securityContext.seccompProfile.type to "Unconfined")`;
};

const RESTRICTED_VOLUMES = new Set([
  "configMap",
  "csi",
  "downwardAPI",
  "emptyDir",
  "ephemeral",
  "persistentVolumeClaim",
  "projected",
  "secret",
  "image",
]);

const volumeTypes: Check = ({ volumes = [] }) => {
  const typeOf = (volume: object): string | undefined =>
    Object.keys(volume).find((key) => key !== "name" && !RESTRICTED_VOLUMES.has(key));
  const found = volumes.filter((volume) => typeOf(volume) !== undefined);
  if (found.length === 0) return undefined;
  const names = found.map(({ name }) => name);
  const types = Array.from(new Set(found.map((volume) => typeOf(volume) ?? ""))).toSorted();
  return `restricted volume types (${plural(names, "volume", "volumes")} ${quote(names)} ${plural(names, "uses", "use")} restricted volume ${plural(types, "type", "types")} ${quote(types)})`;
};

const escalation: Check = (spec) => {
  const found = offenders(spec, ({ securityContext }) => securityContext?.allowPrivilegeEscalation !== false);
  return found.length === 0
    ? undefined
    : `allowPrivilegeEscalation != false (${named(found)} must set securityContext.allowPrivilegeEscalation=false)`;
};

const restrictedCapabilities: Check = (spec) => {
  const keeping = offenders(spec, ({ securityContext }) => !securityContext?.capabilities?.drop?.includes("ALL"));
  const adding = offenders(spec, ({ securityContext }) =>
    (securityContext?.capabilities?.add ?? []).some((name) => name !== "NET_BIND_SERVICE"),
  );
  if (keeping.length + adding.length === 0) return undefined;
  const added = Array.from(new Set(adding.flatMap(({ securityContext }) => securityContext?.capabilities?.add ?? [])))
    .filter((name) => name !== "NET_BIND_SERVICE")
    .toSorted();
  const parts = [
    ...(keeping.length > 0 ? [`${named(keeping)} must set securityContext.capabilities.drop=["ALL"]`] : []),
    ...(adding.length > 0
      ? [`${named(adding)} must not include ${quote(added)} in securityContext.capabilities.add`]
      : []),
  ];
  return `unrestricted capabilities (${parts.join("; ")})`;
};

const nonRoot: Check = (spec) => {
  const pod = spec.securityContext?.runAsNonRoot;
  const refusing = offenders(spec, ({ securityContext }) => securityContext?.runAsNonRoot === false);
  if (refusing.length > 0)
    return `runAsNonRoot != true (${named(refusing)} must not set securityContext.runAsNonRoot=false)`;
  const silent = offenders(spec, ({ securityContext }) => securityContext?.runAsNonRoot === undefined);
  if (pod === true || silent.length === 0) return undefined;
  return `runAsNonRoot != true (pod or ${named(silent)} must set securityContext.runAsNonRoot=true)`;
};

const rootUser: Check = (spec) => {
  const found = offenders(spec, ({ securityContext }) => securityContext?.runAsUser === 0);
  if (found.length > 0) return `runAsUser=0 (${named(found)} must not set runAsUser=0)`;
  return spec.securityContext?.runAsUser === 0 ? "runAsUser=0 (pod must not set runAsUser=0)" : undefined;
};

const restrictedSeccomp: Check = (spec) => {
  const good = (type: string | undefined): boolean => type === "RuntimeDefault" || type === "Localhost";
  if (
    good(spec.securityContext?.seccompProfile?.type) &&
    seccompTypes(spec).every((type) => type === undefined || good(type))
  )
    return undefined;
  const found = offenders(spec, ({ securityContext }) => !good(securityContext?.seccompProfile?.type));
  return found.length === 0
    ? undefined
    : `seccompProfile (pod or ${named(found)} must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")`;
};

const BASELINE: readonly Check[] = [
  hostNamespaces,
  privileged,
  baselineCapabilities,
  hostPaths,
  hostPorts,
  appArmor,
  seLinux,
  procMount,
  baselineSeccomp,
  sysctls,
];
/** Restricted has stricter forms of some of baseline's. */
const RESTRICTED: readonly Check[] = [
  hostNamespaces,
  privileged,
  hostPorts,
  appArmor,
  seLinux,
  procMount,
  sysctls,
  escalation,
  restrictedCapabilities,
  volumeTypes,
  nonRoot,
  rootUser,
  restrictedSeccomp,
];
