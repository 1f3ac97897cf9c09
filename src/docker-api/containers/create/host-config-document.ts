import { MASKED_PATHS, READONLY_PATHS } from "#formats/docker-defaults.ts";
import type { DockerConfig, DockerHostConfig } from "#formats/docker-config.ts";

export const DEFAULT_SHM_BYTES = 64 * 1024 * 1024;
export const DEFAULT_RUNTIME = "gantry";

/** A HostConfig as inspect shows it: every field there, with Docker's default or null. */
export function hostConfigDocument(host: DockerHostConfig): Record<string, unknown> {
  const privileged = host.Privileged ?? false;
  return {
    ...EMPTY_HOST_CONFIG,
    ...host,
    LogConfig: { Type: host.LogConfig?.Type || "json-file", Config: host.LogConfig?.Config ?? {} },
    RestartPolicy: {
      Name: host.RestartPolicy?.Name || "no",
      MaximumRetryCount: host.RestartPolicy?.MaximumRetryCount ?? 0,
    },
    SecurityOpt:
      host.SecurityOpt ?? (privileged || host.IpcMode === "host" || host.PidMode === "host" ? NO_LABELS : null),
    IpcMode: host.IpcMode || "private",
    CgroupnsMode: host.CgroupnsMode || (privileged ? "host" : "private"),
    ShmSize: host.ShmSize || DEFAULT_SHM_BYTES,
    Runtime: host.Runtime || DEFAULT_RUNTIME,
    MaskedPaths: host.MaskedPaths ?? (privileged ? null : MASKED_PATHS),
    ReadonlyPaths: host.ReadonlyPaths ?? (privileged ? null : READONLY_PATHS),
  };
}

/** Docker takes SELinux labels off containers that share the host's namespaces, on hosts without SELinux too. */
const NO_LABELS = ["label=disable"];

const EMPTY_HOST_CONFIG = {
  Binds: null,
  ContainerIDFile: "",
  NetworkMode: "bridge",
  PortBindings: {},
  AutoRemove: false,
  VolumeDriver: "",
  VolumesFrom: null,
  ConsoleSize: [0, 0],
  CapAdd: null,
  CapDrop: null,
  Dns: [],
  DnsOptions: [],
  DnsSearch: [],
  ExtraHosts: null,
  GroupAdd: null,
  Cgroup: "",
  Links: null,
  OomScoreAdj: 0,
  PidMode: "",
  Privileged: false,
  PublishAllPorts: false,
  ReadonlyRootfs: false,
  SecurityOpt: null,
  UTSMode: "",
  UsernsMode: "",
  Isolation: "",
  CpuShares: 0,
  Memory: 0,
  NanoCpus: 0,
  CgroupParent: "",
  BlkioWeight: 0,
  BlkioWeightDevice: [],
  BlkioDeviceReadBps: [],
  BlkioDeviceWriteBps: [],
  BlkioDeviceReadIOps: [],
  BlkioDeviceWriteIOps: [],
  CpuPeriod: 0,
  CpuQuota: 0,
  CpuRealtimePeriod: 0,
  CpuRealtimeRuntime: 0,
  CpusetCpus: "",
  CpusetMems: "",
  Devices: [],
  DeviceCgroupRules: null,
  DeviceRequests: null,
  MemoryReservation: 0,
  MemorySwap: 0,
  MemorySwappiness: null,
  OomKillDisable: null,
  PidsLimit: null,
  Ulimits: [],
  CpuCount: 0,
  CpuPercent: 0,
  IOMaximumIOps: 0,
  IOMaximumBandwidth: 0,
};

/** A Config as inspect shows it. */
export function configDocument(config: DockerConfig): Record<string, unknown> {
  const { ExposedPorts, Volumes, ...rest } = config;
  return {
    ...EMPTY_CONFIG,
    ...rest,
    ...(hasKeys(ExposedPorts) && { ExposedPorts }),
    Volumes: hasKeys(Volumes) ? Volumes : null,
  };
}

const EMPTY_CONFIG = {
  Hostname: "",
  Domainname: "",
  User: "",
  AttachStdin: false,
  AttachStdout: false,
  AttachStderr: false,
  Tty: false,
  OpenStdin: false,
  StdinOnce: false,
  Env: [],
  Cmd: null,
  Image: "",
  WorkingDir: "",
  Entrypoint: null,
  OnBuild: null,
  Labels: {},
};

function hasKeys(value: object | undefined): boolean {
  return value !== undefined && Object.keys(value).length > 0;
}
