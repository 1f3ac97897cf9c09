import type { AppArmorProfile, Container, Pod } from "#formats/kube-types.generated.ts";
import { tolerated } from "#formats/tolerations.ts";
import { isCritical } from "../eviction/ranking.ts";
import type { Pressure } from "../eviction-thresholds.ts";
import type { NodeDeps } from "../ports.ts";
import { qosClass } from "./qos.ts";
import type { PodFailure } from "./status-inputs.ts";

/** Sysctls that reach no further than their pod (kubelet's sysctl/safe_sysctls.go). */
const SAFE_SYSCTLS: ReadonlySet<string> = new Set([
  "kernel.shm_rmid_forced",
  "net.ipv4.ip_local_port_range",
  "net.ipv4.tcp_syncookies",
  "net.ipv4.ping_group_range",
  "net.ipv4.ip_unprivileged_port_start",
  "net.ipv4.ip_local_reserved_ports",
  "net.ipv4.tcp_keepalive_time",
  "net.ipv4.tcp_fin_timeout",
  "net.ipv4.tcp_keepalive_intvl",
  "net.ipv4.tcp_keepalive_probes",
  "net.ipv4.tcp_rmem",
  "net.ipv4.tcp_wmem",
]);

/** Pure: why this node will not run the pod at all, in the kubelet's words; undefined when it will. What Gantry cannot do is refused by name. */
export function refusal(
  pod: Pod,
  { pressures, stage, host }: Pick<NodeDeps, "pressures" | "stage" | "host">,
): PodFailure | undefined {
  const { spec } = pod;
  if (stage.isShuttingDown)
    return { reason: "NodeShutdown", message: "Pod was rejected as the node is shutting down." };
  const pressed = pressureRefusal(pod, pressures);
  if (pressed !== undefined) return { reason: "Evicted", message: pressed };
  if (spec?.os?.name === "windows")
    return { reason: "PodOSNotSupported", message: "Failed to admit pod as the OS field doesn't match node OS" };
  const sysctl = forbiddenSysctl(pod);
  if (sysctl !== undefined) return { reason: "SysctlForbidden", message: `forbidden sysctl: ${sysctl}` };
  if (!host.appArmor && wantsAppArmor(pod))
    return { reason: "AppArmor", message: "Cannot enforce AppArmor: AppArmor is not enabled on the host" };
  const field = unsupportedField(pod);
  if (field !== undefined) return { reason: "UnsupportedField", message: `${field} is not supported by this node` };
  return undefined;
}

/** While the node is short of something it takes nobody who could make it worse (kubelet's eviction manager, Admit). */
function pressureRefusal(pod: Pod, pressures: ReadonlySet<Pressure>): string | undefined {
  if (pressures.size === 0 || isCritical(pod)) return undefined;
  if (pressures.size === 1 && pressures.has("MemoryPressure")) {
    const taint = { key: "node.kubernetes.io/memory-pressure", effect: "NoSchedule" };
    if (qosClass(pod) !== "BestEffort" || tolerated(pod.spec?.tolerations, taint)) return undefined;
  }
  return `The node had condition: [${[...pressures].join(" ")}]. `;
}

function forbiddenSysctl({ spec }: Pod): string | undefined {
  for (const { name: written } of spec?.securityContext?.sysctls ?? []) {
    const name = written.replaceAll("/", ".");
    if (!SAFE_SYSCTLS.has(name)) return `${JSON.stringify(name)} not allowlisted`;
    if (spec?.hostNetwork && name.startsWith("net."))
      return `${JSON.stringify(name)} not allowed with host net enabled`;
    if (spec?.hostIPC && name.startsWith("kernel.")) return `${JSON.stringify(name)} not allowed with host ipc enabled`;
  }
  return undefined;
}

/** The profile that holds for a container: its own or its pod's. */
export function appArmorProfileOf({ spec }: Pick<Pod, "spec">, container: Container): AppArmorProfile | undefined {
  return container.securityContext?.appArmorProfile ?? spec?.securityContext?.appArmorProfile;
}

function wantsAppArmor({ spec }: Pod): boolean {
  const containers = [...(spec?.containers ?? []), ...(spec?.initContainers ?? [])];
  return containers.some(
    (container) => (appArmorProfileOf({ spec }, container)?.type ?? "Unconfined") !== "Unconfined",
  );
}

function unsupportedField({ spec }: Pod): string | undefined {
  if ((spec?.resourceClaims ?? []).length > 0) return "spec.resourceClaims";
  const lists = { containers: spec?.containers, initContainers: spec?.initContainers };
  for (const [list, containers] of Object.entries(lists)) {
    for (const [index, container] of (containers ?? []).entries()) {
      const at = `spec.${list}[${index}]`;
      const rule = container.restartPolicyRules?.find(({ action }) => action !== "Restart");
      if (rule) return `${at}.restartPolicyRules with action ${rule.action ?? ""}`;
      if (appArmorProfileOf({ spec }, container)?.type === "RuntimeDefault")
        return `${at}.securityContext.appArmorProfile of type RuntimeDefault`;
    }
  }
  return undefined;
}
