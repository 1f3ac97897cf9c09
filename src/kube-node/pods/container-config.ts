import { posix } from "node:path";
import { GantryError } from "#base/errors.ts";
import type {
  ContainerConfig,
  MountConfig,
  Namespaces,
  NetworkAttachment,
  Security,
  UserNamespaceMaps,
} from "#containers/engine.ts";
import { parseSignal } from "#formats/docker-signals.ts";
import type { Image } from "#images/image-store.ts";
import type { PortMapping } from "#network/networks.ts";
import type { Container, Pod, SecurityContext } from "#formats/kube-types.generated.ts";
import type { PreparedVolume } from "../volumes/pod-volumes.ts";
import { appArmorProfileOf } from "./admit.ts";
import { expand } from "./expand.ts";
import { containerNameFor, LABEL, podLabels, SANDBOX_NAME } from "./labels.ts";
import { podHostname } from "./network-files.ts";
import { oomScoreAdj, podCgroup } from "./qos.ts";
import { containerResources } from "./resources.ts";
import { DEFAULT_TERMINATION_PATH } from "./termination-message.ts";

/** Docker's default capabilities (moby oci/caps/defaults.go): what a pod's container has unless it says otherwise. */
const DEFAULT_CAPABILITIES = [
  "CHOWN",
  "DAC_OVERRIDE",
  "FSETID",
  "FOWNER",
  "MKNOD",
  "NET_RAW",
  "SETGID",
  "SETUID",
  "SETFCAP",
  "SETPCAP",
  "NET_BIND_SERVICE",
  "SYS_CHROOT",
  "KILL",
  "AUDIT_WRITE",
].map((name) => `CAP_${name}`);

const SIGTERM = 15;
/** Default size of /dev/shm in a pod: 64 MiB, as containerd has it. */
const SHM_BYTES = 64 * 2 ** 20;
/** containerLogMaxSize and containerLogMaxFiles of a KubeletConfiguration. */
const POD_LOG = { driver: "json-file", maxBytes: 10 * 2 ** 20, maxFiles: 5 } as const;

export interface ContainerInputs {
  readonly pod: Pod;
  readonly sandboxId: string;
  readonly restartCount: number;
  readonly image: Image;
  readonly environment: ReadonlyMap<string, string>;
  readonly volumes: ReadonlyMap<string, PreparedVolume>;
  readonly terminationFile: string;
  readonly hostsFile: string;
  readonly resolvConfFile: string;
  readonly domain: string;
  readonly nodeMemoryBytes: number;
  readonly lowestOomScoreAdj: number;
  readonly limitsHugePages: boolean;
  /** As of NodeConfig. */
  readonly netns: string | undefined;
  /** The pod's own users; undefined: the machine's. */
  readonly users: UserNamespaceMaps | undefined;
  /** Undefined: the default profile. */
  readonly seccomp: Security["seccomp"];
  /** All capabilities of the kernel, for privileged containers and `ALL`. */
  readonly allCapabilities: readonly string[];
}

/** Pure: what the engine is asked to run for one container of a pod. Throws `invalid` in the kubelet's words. */
export function containerConfig(container: Container, inputs: ContainerInputs): ContainerConfig {
  const { pod, image, environment } = inputs;
  const defaults = image.config.config ?? {};
  const args = [
    ...(container.command ?? defaults.Entrypoint ?? []),
    ...(container.args ?? (container.command ? [] : (defaults.Cmd ?? []))),
  ].map((word) => expand(word, environment));
  const env = new Map([
    ...(defaults.Env ?? []).map((line): [string, string] => [
      line.slice(0, line.indexOf("=")),
      line.slice(line.indexOf("=") + 1),
    ]),
    ...environment,
  ]);
  const context = container.securityContext ?? {};
  if (args.length === 0) throw new GantryError("invalid", "no command specified");
  return {
    ...common(pod, container.name, inputs.restartCount, inputs.domain),
    image: container.image ?? "",
    imageId: image.id,
    args,
    env: Array.from(env, ([name, value]) => `${name}=${value}`),
    workingDir: container.workingDir ?? (defaults.WorkingDir || "/"),
    user: userOf(pod, context, image),
    additionalGroups: groupsOf(pod),
    imageGroups: pod.spec?.securityContext?.supplementalGroupsPolicy === "Strict" ? "never" : "always",
    terminal: container.tty === true,
    stdin: container.stdin ? (container.stdinOnce ? "once" : "open") : "none",
    labels: { ...podLabels(pod, container.name, inputs.restartCount), [LABEL.sandboxId]: inputs.sandboxId },
    ...devicesOf(container, inputs),
    mounts: [...mountsOf(container, inputs), terminationMount(container, inputs.terminationFile)],
    readonlyRoot: context.readOnlyRootFilesystem === true,
    namespaces: {
      network: pod.spec?.hostNetwork ? nodeNetwork(inputs.netns) : { kind: "container", id: inputs.sandboxId },
      ipc: pod.spec?.hostIPC ? { kind: "host" } : { kind: "container", id: inputs.sandboxId },
      uts:
        pod.spec?.hostNetwork && inputs.netns === undefined
          ? { kind: "host" }
          : { kind: "container", id: inputs.sandboxId },
      pid: pod.spec?.hostPID
        ? { kind: "host" }
        : pod.spec?.shareProcessNamespace
          ? { kind: "container", id: inputs.sandboxId }
          : { kind: "new" },
      cgroup: context.privileged ? "host" : "private",
      ...(inputs.users ? { user: inputs.users } : {}),
    },
    networks: [],
    hostFiles: { hosts: inputs.hostsFile, resolvConf: inputs.resolvConfFile },
    resources: containerResources(container.resources, inputs),
    oomScoreAdj: Math.max(inputs.lowestOomScoreAdj, oomScoreAdj(pod, container, inputs.nodeMemoryBytes)),
    security: { ...securityOf(context, inputs.allCapabilities, inputs.seccomp), ...appArmorOf(pod, container) },
    stopSignal: stopSignalOf(container, image),
    log: POD_LOG,
    origin: { pod: { uid: pod.metadata.uid, resources: container.resources ?? {} } },
  };
}

/** Pure: the pod's sandbox: a pause process that holds the network, IPC and UTS namespaces. */
export function sandboxConfig(
  pod: Pod,
  attempt: number,
  options: {
    podNetwork: string;
    domain: string;
    aliases: readonly string[];
    lowestOomScoreAdj: number;
    nodeName: string;
    netns: string | undefined;
    users: UserNamespaceMaps | undefined;
  },
): ContainerConfig {
  const hostNetwork = pod.spec?.hostNetwork === true;
  const network: NetworkAttachment = { network: options.podNetwork, aliases: options.aliases, ports: hostPorts(pod) };
  return {
    ...common(pod, SANDBOX_NAME, attempt, options.domain),
    ...(hostNetwork && options.netns !== undefined ? { hostname: options.nodeName } : {}),
    image: "",
    imageId: undefined,
    args: ["/pause"],
    env: [],
    workingDir: "/",
    user: "",
    terminal: false,
    stdin: "none",
    labels: podLabels(pod, SANDBOX_NAME, attempt),
    mounts: [],
    readonlyRoot: true,
    namespaces: {
      network: hostNetwork ? nodeNetwork(options.netns) : { kind: "new" },
      ipc: pod.spec?.hostIPC ? { kind: "host" } : { kind: "shareable" },
      uts: hostNetwork && options.netns === undefined ? { kind: "host" } : { kind: "new" },
      pid: pod.spec?.hostPID ? { kind: "host" } : { kind: "new" },
      cgroup: "private",
      ...(options.users ? { user: options.users } : {}),
    },
    networks: hostNetwork ? [] : [network],
    resources: { cpu: { shares: 2 } },
    // The pause process is the last that the kernel should kill (kubelet: -998).
    oomScoreAdj: Math.max(options.lowestOomScoreAdj, -998),
    security: { privileged: false, capabilities: [], noNewPrivileges: true },
    ...(pod.spec?.securityContext?.sysctls
      ? { sysctls: Object.fromEntries(pod.spec.securityContext.sysctls.map(({ name, value }) => [name, value])) }
      : {}),
    stopSignal: SIGTERM,
    log: { driver: "none", maxBytes: 0, maxFiles: 0 },
    origin: { pod: { uid: pod.metadata.uid } },
  };
}

/** The network that `hostNetwork` speaks of: the machine's, or that of a node which has one of its own. */
function nodeNetwork(netns: string | undefined): Namespaces["network"] {
  return { kind: "host", ...(netns === undefined ? {} : { netns }) };
}

function common(
  pod: Pod,
  containerName: string,
  attempt: number,
  domain: string,
): Pick<
  ContainerConfig,
  "name" | "hostname" | "cgroupParent" | "shmBytes" | "restartPolicy" | "autoRemove" | "stopTimeoutSeconds"
> {
  return {
    name: containerNameFor(pod, containerName, attempt),
    hostname: podHostname(pod, domain).hostname,
    cgroupParent: podCgroup(pod),
    shmBytes: SHM_BYTES,
    restartPolicy: { kind: "no" },
    autoRemove: false,
    stopTimeoutSeconds: pod.spec?.terminationGracePeriodSeconds ?? 30,
  };
}

/** The container's own signal, or its image's. */
function stopSignalOf({ lifecycle }: Container, image: Image): number {
  const name = lifecycle?.stopSignal ?? image.config.config?.StopSignal ?? "";
  return name === "" ? SIGTERM : parseSignal(name);
}

function hostPorts(pod: Pod): PortMapping[] {
  return (pod.spec?.containers ?? []).flatMap(({ ports = [] }) =>
    ports.flatMap(({ hostPort, hostIP, containerPort, protocol = "TCP" }) =>
      hostPort
        ? [
            {
              protocol: protocol.toLowerCase() as PortMapping["protocol"],
              containerPort,
              hostAddress: hostIP ?? "",
              hostPort,
            },
          ]
        : [],
    ),
  );
}

/** Claims of volumeMode Block, as devices at the paths that the container wants them at. */
function devicesOf(container: Container, { pod, volumes }: ContainerInputs): Pick<ContainerConfig, "devices"> {
  const devices = (container.volumeDevices ?? []).map(({ name, devicePath }) => {
    const volume = volumes.get(name);
    if (!volume)
      throw new GantryError(
        "not-found",
        `volume device "${name}" of container "${container.name}" names no volume of pod "${pod.metadata.name}"`,
      );
    if (!volume.isDevice)
      throw new GantryError("invalid", `volume "${name}" has volumeMode Filesystem, but is specified in volumeDevices`);
    return { hostPath: volume.path, containerPath: devicePath, access: volume.readonly ? "rm" : "rwm" };
  });
  return devices.length > 0 ? { devices } : {};
}

function mountsOf(container: Container, { pod, volumes, environment }: ContainerInputs): MountConfig[] {
  return (container.volumeMounts ?? []).map((mount): MountConfig => {
    const volume = volumes.get(mount.name);
    if (!volume)
      throw new GantryError(
        "not-found",
        `volume mount "${mount.name}" of container "${container.name}" names no volume of pod "${pod.metadata.name}"`,
      );
    if (volume.isDevice)
      throw new GantryError("invalid", `volume "${mount.name}" has volumeMode Block, but is specified in volumeMounts`);
    const subPath = mount.subPathExpr === undefined ? mount.subPath : expand(mount.subPathExpr, environment);
    if (subPath !== undefined && (posix.isAbsolute(subPath) || subPath.split("/").includes("..")))
      throw new GantryError(
        "invalid",
        `subPath "${subPath}" of volume mount "${mount.name}" must be relative, without '..'`,
      );
    return {
      kind: "bind",
      source: volume.path,
      ...(subPath === undefined || subPath === "" ? {} : { subpath: subPath }),
      target: mount.mountPath.startsWith("/") ? mount.mountPath : `/${mount.mountPath}`,
      readonly: mount.readOnly === true || volume.readonly,
      create: false,
      recursive: true,
      shallowReadonly: mount.recursiveReadOnly !== "Enabled" && mount.recursiveReadOnly !== "IfPossible",
      // Its files belong to the same users inside as outside, whoever these are to the kernel.
      mapIds: true,
      propagation: PROPAGATION[mount.mountPropagation ?? "None"] ?? "rprivate",
    };
  });
}

function terminationMount({ terminationMessagePath }: Container, source: string): MountConfig {
  const target = terminationMessagePath ?? DEFAULT_TERMINATION_PATH;
  return {
    kind: "bind",
    source,
    target,
    readonly: false,
    create: false,
    recursive: false,
    mapIds: true,
    propagation: "rprivate",
  };
}

const PROPAGATION: Readonly<Record<string, string>> = {
  None: "rprivate",
  HostToContainer: "rslave",
  Bidirectional: "rshared",
};

function userOf(pod: Pod, context: SecurityContext, image: Image): string {
  const uid = context.runAsUser ?? pod.spec?.securityContext?.runAsUser;
  const gid = context.runAsGroup ?? pod.spec?.securityContext?.runAsGroup;
  const own = image.config.config?.User ?? "";
  const nonRoot = context.runAsNonRoot ?? pod.spec?.securityContext?.runAsNonRoot ?? false;
  const user = uid === undefined ? (own.split(":")[0] ?? "") : String(uid);
  if (nonRoot && (user === "" || user === "0" || user === "root"))
    throw new GantryError(
      "invalid",
      uid === undefined
        ? "container has runAsNonRoot and image will run as root"
        : "container's runAsUser breaks non-root policy",
    );
  if (nonRoot && uid === undefined && !/^\d+$/.test(user))
    throw new GantryError(
      "invalid",
      `container has runAsNonRoot and image has non-numeric user (${user}), cannot verify user is non-root`,
    );
  if (gid !== undefined) return `${user === "" ? "0" : user}:${gid}`;
  return uid === undefined ? own : user;
}

function groupsOf(pod: Pod): string[] {
  const context = pod.spec?.securityContext;
  const groups = [...(context?.supplementalGroups ?? []), ...(context?.fsGroup === undefined ? [] : [context.fsGroup])];
  return groups.map(String);
}

/** Privileged containers are never confined. */
function appArmorOf(pod: Pod, container: Container): Pick<Security, "apparmor"> {
  const profile = appArmorProfileOf(pod, container);
  if (profile?.type !== "Localhost" || container.securityContext?.privileged) return {};
  return { apparmor: profile.localhostProfile ?? "" };
}

function securityOf(
  context: SecurityContext,
  allCapabilities: readonly string[],
  seccomp: Security["seccomp"],
): Security {
  const privileged = context.privileged === true;
  return {
    privileged,
    capabilities: capabilitiesOf(context, allCapabilities),
    noNewPrivileges: context.allowPrivilegeEscalation === false,
    // Privileged containers are never confined, whatever profile they name.
    ...(seccomp && !privileged ? { seccomp } : {}),
    ...(context.procMount === "Unmasked" ? { maskedPaths: [], readonlyPaths: [] } : {}),
  };
}

/** What a container may do: everything when it is privileged. Throws `invalid` for a capability that the kernel does not know. */
export function capabilitiesOf(context: SecurityContext, all: readonly string[]): string[] {
  if (context.privileged) return [...all];
  const named = (list: readonly string[] | undefined): string[] =>
    (list ?? []).map((name) => (name.startsWith("CAP_") ? name : `CAP_${name}`));
  const add = named(context.capabilities?.add);
  const drop = named(context.capabilities?.drop);
  const base = drop.includes("CAP_ALL") ? [] : add.includes("CAP_ALL") ? [...all] : DEFAULT_CAPABILITIES;
  const dropped = new Set(drop);
  const wanted = new Set([...base.filter((name) => !dropped.has(name)), ...add.filter((name) => name !== "CAP_ALL")]);
  const unknown = Array.from(wanted).find((name) => !all.includes(name));
  if (unknown) throw new GantryError("invalid", `unknown capability "${unknown}" to add`);
  return Array.from(wanted);
}
