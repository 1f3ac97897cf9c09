import { formatTime } from "#formats/docker-time.ts";
import type { Deps } from "../deps.ts";
import type { Handler } from "../http/call.ts";
import { json } from "../http/reply.ts";
import { ENGINE_VERSION } from "../http/versions.ts";

/** GET /info. */
export function infoHandler(deps: Deps): Handler {
  return async ({ response }) => json(response, 200, infoDocument(deps));
}

function infoDocument(deps: Deps): object {
  const { host, engine, images, daemonId, dataRoot, version, journal } = deps;
  const states = engine.list().map(({ state }) => state.status);
  const running = states.filter((status) => status === "running" || status === "restarting").length;
  const paused = states.filter((status) => status === "paused").length;
  return {
    ID: daemonId,
    Containers: states.length,
    ContainersRunning: running,
    ContainersPaused: paused,
    ContainersStopped: states.length - running - paused,
    Images: images.list().length,
    Driver: images.driver,
    DriverStatus: images.driver === "overlay2" ? OVERLAY_STATUS : [],
    Plugins: {
      Volume: engine.volumes.drivers(),
      Network: ["bridge", "host", "null"],
      Authorization: null,
      Log: ["json-file", "local", "none"],
    },
    ...limitFields(deps),
    IPv4Forwarding: host.ipv4Forwarding(),
    Debug: false,
    NFd: 0,
    OomKillDisable: host.limits.oomKillDisable,
    NGoroutines: 0,
    SystemTime: formatTime(deps.clock.now()),
    LoggingDriver: "json-file",
    CgroupDriver: "cgroupfs",
    CgroupVersion: host.cgroupVersion,
    NEventsListener: journal.listeners(),
    ...hostFields(deps),
    IndexServerAddress: "https://index.docker.io/v1/",
    RegistryConfig: registryConfig(deps),
    GenericResources: null,
    DockerRootDir: dataRoot,
    HttpProxy: proxyOf("HTTP_PROXY"),
    HttpsProxy: proxyOf("HTTPS_PROXY"),
    NoProxy: proxyOf("NO_PROXY"),
    Labels: [],
    ExperimentalBuild: false,
    ServerVersion: ENGINE_VERSION,
    ...runtimeFields(version),
    Swarm: {
      NodeID: "",
      NodeAddr: "",
      LocalNodeState: "inactive",
      ControlAvailable: false,
      Error: "",
      RemoteManagers: null,
    },
    LiveRestoreEnabled: true,
    Isolation: "",
    SecurityOptions: securityOptions(deps),
    FirewallBackend: { Driver: "nftables" },
    CDISpecDirs: [],
    Warnings: [...host.limitWarnings, ...(host.ipv4Forwarding() ? [] : ["WARNING: IPv4 forwarding is disabled"])],
  };
}

function limitFields({ host: { limits } }: Deps): object {
  return {
    MemoryLimit: limits.memory,
    SwapLimit: limits.swap,
    CpuCfsPeriod: limits.cpuCfs,
    CpuCfsQuota: limits.cpuCfs,
    CPUShares: limits.cpuShares,
    CPUSet: limits.cpuset,
    PidsLimit: limits.pids,
  };
}

function hostFields({ host }: Deps): object {
  return {
    KernelVersion: host.kernelVersion,
    OperatingSystem: host.operatingSystem,
    OSVersion: host.osVersion,
    OSType: "linux",
    Architecture: host.machine,
    NCPU: host.limits.cpus,
    MemTotal: host.memoryBytes,
    Name: host.name,
  };
}

function runtimeFields(version: string): object {
  return {
    Runtimes: { gantry: { path: "gantry-runtime" }, runc: { path: "gantry-runtime" } },
    DefaultRuntime: "gantry",
    InitBinary: "gantry-shim",
    ContainerdCommit: { ID: "" },
    RuncCommit: { ID: `gantry-${version}` },
    InitCommit: { ID: `gantry-${version}` },
  };
}

function securityOptions({ host, engine }: Deps): string[] {
  return [
    ...(host.appArmor ? ["name=apparmor"] : []),
    "name=seccomp,profile=builtin",
    ...(engine.userNamespace ? ["name=userns"] : []),
    "name=cgroupns",
  ];
}

/** No mirrors and no insecure registries but loopback, which Docker trusts too. */
/** How registries are spoken to, as main/ was told. */
function registryConfig({ registries }: Deps): object {
  const insecure = registries?.insecure ?? [];
  const mirrors = registries?.mirrors ?? [];
  const hosts = insecure.filter((host) => !host.includes("/"));
  const named = hosts.map((Name) => [Name, { Name, Mirrors: [], Secure: false, Official: false }] as const);
  return {
    AllowNondistributableArtifactsCIDRs: null,
    AllowNondistributableArtifactsHostnames: null,
    InsecureRegistryCIDRs: ["::1/128", "127.0.0.0/8", ...insecure.filter((host) => host.includes("/"))],
    IndexConfigs: {
      "docker.io": { Name: "docker.io", Mirrors: mirrors, Secure: true, Official: true },
      ...Object.fromEntries(named),
    },
    Mirrors: mirrors.length > 0 ? mirrors : null,
  };
}

const OVERLAY_STATUS = [
  ["Supports d_type", "true"],
  ["Using metacopy", "false"],
  ["Native Overlay Diff", "true"],
  ["userxattr", "false"],
];

/** The proxy that pulls and pushes go by; a password in it is not shown (moby daemon, maskCredentials). */
function proxyOf(name: string): string {
  const value = process.env[name] ?? process.env[name.toLowerCase()] ?? "";
  return value.replace(/^(\w+:\/\/)[^/@]+@/, "$1xxxxx:xxxxx@");
}
