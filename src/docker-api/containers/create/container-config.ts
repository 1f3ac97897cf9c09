import type { ContainerConfig, MountConfig, Security, UserNamespaceMaps } from "#containers/engine.ts";
import type { DockerConfig, DockerHostConfig, DockerNetworkingConfig } from "#formats/docker-config.ts";
import { parseDevice, parseDeviceRule, parseUlimits } from "#formats/docker-devices.ts";
import { commandOf } from "#formats/docker-merge.ts";
import { ociResources } from "#formats/docker-resources.ts";
import { parseRestartPolicy } from "#formats/docker-restart-policy.ts";
import { parseSignal } from "#formats/docker-signals.ts";
import { parseExtraHosts, validateSysctls } from "#formats/docker-validate.ts";
import type { Image } from "#images/image-store.ts";
import { deviceNumbers } from "./device-numbers.ts";
import { configDocument, DEFAULT_SHM_BYTES, hostConfigDocument } from "./host-config-document.ts";
import { linksOf } from "./links.ts";
import { logOf } from "./logging.ts";
import { namespacesOf, type FindContainer } from "./namespaces.ts";
import { attachmentsOf } from "./networks.ts";

const SIGTERM = 15;

export interface ConfigInputs {
  readonly name: string;
  /** Merged with the image's. */
  readonly config: DockerConfig;
  /** Checked, with what the kernel cannot do taken out. */
  readonly host: DockerHostConfig;
  readonly networking: DockerNetworkingConfig;
  readonly image: Image;
  readonly mounts: readonly MountConfig[];
  readonly security: Security;
  readonly hostGateway: string | undefined;
  /** The machine's own. */
  readonly hostName: string;
  readonly find: FindContainer;
  /** For containers that do not ask for the host's users. */
  readonly userNamespace?: UserNamespaceMaps | undefined;
}

/** What the engine is asked to make. Throws `invalid` in Docker's words. */
export function containerConfig(inputs: ConfigInputs): ContainerConfig {
  const { config, host, image, networking, security, mounts, find } = inputs;
  return {
    ...(inputs.name !== "" && { name: inputs.name }),
    image: config.Image ?? "",
    imageId: image.id,
    ...processOf(inputs),
    labels: { ...config.Labels },
    mounts,
    readonlyRoot: host.ReadonlyRootfs ?? false,
    namespaces: namespacesOf(host, find, inputs.userNamespace),
    networks: attachmentsOf(config, host, networking),
    ...namesOf(host, inputs.hostGateway),
    ...linksOf(host, networking, find),
    resources: resourcesOf(host),
    cgroupParent: host.CgroupParent || "/docker",
    oomScoreAdj: host.OomScoreAdj ?? 0,
    security,
    ...hardwareOf(host),
    restartPolicy: parseRestartPolicy(host.RestartPolicy, host.AutoRemove ?? false),
    autoRemove: host.AutoRemove ?? false,
    log: logOf(host.LogConfig, config),
    ...(host.Annotations && { annotations: { ...host.Annotations } }),
    origin: { docker: { Config: configDocument(config), HostConfig: hostConfigDocument(host) } },
  };
}

function processOf(
  inputs: ConfigInputs,
): Pick<
  ContainerConfig,
  | "args"
  | "env"
  | "workingDir"
  | "user"
  | "additionalGroups"
  | "hostname"
  | "domainname"
  | "terminal"
  | "terminalSize"
  | "stdin"
  | "stopSignal"
  | "stopTimeoutSeconds"
  | "healthcheck"
> {
  const { config, host } = inputs;
  return {
    args: commandOf(config),
    env: config.Env ?? [],
    workingDir: config.WorkingDir || "/",
    user: config.User ?? "",
    additionalGroups: host.GroupAdd ?? [],
    hostname: config.Hostname || inheritedHostname(host, inputs),
    ...(config.Domainname && { domainname: config.Domainname }),
    terminal: config.Tty ?? false,
    ...terminalSizeOf(host),
    stdin: config.OpenStdin ? (config.StdinOnce ? "once" : "open") : "none",
    stopSignal: config.StopSignal ? parseSignal(config.StopSignal) : SIGTERM,
    ...(config.StopTimeout !== undefined && { stopTimeoutSeconds: config.StopTimeout }),
    ...(config.Healthcheck && { healthcheck: config.Healthcheck }),
  };
}

/** HostConfig.ConsoleSize: height, width. */
function terminalSizeOf({
  ConsoleSize: [rows = 0, columns = 0] = [],
}: DockerHostConfig): Pick<ContainerConfig, "terminalSize"> {
  return rows > 0 && columns > 0 ? { terminalSize: { rows, columns } } : {};
}

/** Without a name of its own a container takes the one that goes with its network: the host's, or the other container's; else its id. */
function inheritedHostname({ NetworkMode: mode = "" }: DockerHostConfig, { hostName, find }: ConfigInputs): string {
  if (mode === "host") return hostName;
  return mode.startsWith("container:") ? (find(mode.slice("container:".length))?.config.hostname ?? "") : "";
}

/** Name resolution: undefined parts leave Docker's own way. */
function namesOf(host: DockerHostConfig, hostGateway: string | undefined): Pick<ContainerConfig, "dns" | "extraHosts"> {
  const { Dns = [], DnsSearch = [], DnsOptions = [], ExtraHosts = [] } = host;
  const any = Dns.length + DnsSearch.length + DnsOptions.length > 0;
  return {
    ...(any && { dns: { servers: Dns, search: DnsSearch, options: DnsOptions } }),
    ...(ExtraHosts.length > 0 && { extraHosts: parseExtraHosts(ExtraHosts, hostGateway) }),
  };
}

function resourcesOf(host: DockerHostConfig): ContainerConfig["resources"] {
  const rules = (host.DeviceCgroupRules ?? []).map(parseDeviceRule);
  return { ...ociResources(host, deviceNumbers), ...(rules.length > 0 && { devices: rules }) };
}

function hardwareOf(
  host: DockerHostConfig,
): Pick<ContainerConfig, "rlimits" | "sysctls" | "shmBytes" | "devices" | "init"> {
  const sysctls = host.Sysctls ?? {};
  validateSysctls(sysctls, host);
  return {
    shmBytes: host.ShmSize || DEFAULT_SHM_BYTES,
    ...(host.Ulimits?.length && { rlimits: parseUlimits(host.Ulimits) }),
    ...(Object.keys(sysctls).length > 0 && { sysctls: { ...sysctls } }),
    ...(host.Devices?.length && { devices: host.Devices.map(parseDevice) }),
    ...(host.Init !== undefined && { init: host.Init }),
  };
}
