import { flag, integer, list, map, object, text, textOrList, type Decoder } from "./docker-json.ts";

/** The documents of `POST /containers/create` (Docker Engine API 1.51, ContainerConfig, HostConfig, NetworkingConfig). */

const nothing: Decoder<Record<string, never>> = object({});

export const healthcheck = object({
  Test: list(text),
  Interval: integer,
  Timeout: integer,
  StartPeriod: integer,
  StartInterval: integer,
  Retries: integer,
});

const configFields = {
  Hostname: text,
  Domainname: text,
  User: text,
  AttachStdin: flag,
  AttachStdout: flag,
  AttachStderr: flag,
  ExposedPorts: map(nothing),
  Tty: flag,
  OpenStdin: flag,
  StdinOnce: flag,
  Env: list(text),
  Cmd: textOrList,
  Healthcheck: healthcheck,
  ArgsEscaped: flag,
  Image: text,
  Volumes: map(nothing),
  WorkingDir: text,
  Entrypoint: textOrList,
  NetworkDisabled: flag,
  MacAddress: text,
  OnBuild: list(text),
  Labels: map(text),
  StopSignal: text,
  StopTimeout: integer,
  Shell: list(text),
};

const blkioWeight = object({ Path: text, Weight: integer });
const blkioRate = object({ Path: text, Rate: integer });

export const resourceFields = {
  CpuShares: integer,
  Memory: integer,
  NanoCpus: integer,
  CgroupParent: text,
  BlkioWeight: integer,
  BlkioWeightDevice: list(blkioWeight),
  BlkioDeviceReadBps: list(blkioRate),
  BlkioDeviceWriteBps: list(blkioRate),
  BlkioDeviceReadIOps: list(blkioRate),
  BlkioDeviceWriteIOps: list(blkioRate),
  CpuPeriod: integer,
  CpuQuota: integer,
  CpuRealtimePeriod: integer,
  CpuRealtimeRuntime: integer,
  CpusetCpus: text,
  CpusetMems: text,
  Devices: list(object({ PathOnHost: text, PathInContainer: text, CgroupPermissions: text })),
  DeviceCgroupRules: list(text),
  DeviceRequests: list(
    object({ Driver: text, Count: integer, DeviceIDs: list(text), Capabilities: list(list(text)), Options: map(text) }),
  ),
  KernelMemory: integer,
  KernelMemoryTCP: integer,
  MemoryReservation: integer,
  MemorySwap: integer,
  MemorySwappiness: integer,
  OomKillDisable: flag,
  PidsLimit: integer,
  Ulimits: list(object({ Name: text, Soft: integer, Hard: integer })),
  CpuCount: integer,
  CpuPercent: integer,
  IOMaximumIOps: integer,
  IOMaximumBandwidth: integer,
};

export const restartPolicyDocument = object({ Name: text, MaximumRetryCount: integer });

export const mountDocument = object({
  Type: text,
  Source: text,
  Target: text,
  ReadOnly: flag,
  Consistency: text,
  BindOptions: object({
    Propagation: text,
    NonRecursive: flag,
    CreateMountpoint: flag,
    ReadOnlyNonRecursive: flag,
    ReadOnlyForceRecursive: flag,
  }),
  VolumeOptions: object({
    NoCopy: flag,
    Labels: map(text),
    Subpath: text,
    DriverConfig: object({ Name: text, Options: map(text) }),
  }),
  ImageOptions: object({ Subpath: text }),
  TmpfsOptions: object({ SizeBytes: integer, Mode: integer, Options: list(list(text)) }),
  ClusterOptions: object({}),
});

export const portBindings = map(nullableList(object({ HostIp: text, HostPort: text })));

const hostConfigFields = {
  ...resourceFields,
  Binds: list(text),
  ContainerIDFile: text,
  LogConfig: object({ Type: text, Config: map(text) }),
  NetworkMode: text,
  PortBindings: portBindings,
  RestartPolicy: restartPolicyDocument,
  AutoRemove: flag,
  VolumeDriver: text,
  VolumesFrom: list(text),
  ConsoleSize: list(integer),
  Annotations: map(text),
  CapAdd: textOrList,
  CapDrop: textOrList,
  CgroupnsMode: text,
  Dns: list(text),
  DnsOptions: list(text),
  DnsSearch: list(text),
  ExtraHosts: list(text),
  GroupAdd: list(text),
  IpcMode: text,
  Cgroup: text,
  Links: list(text),
  OomScoreAdj: integer,
  PidMode: text,
  Privileged: flag,
  PublishAllPorts: flag,
  ReadonlyRootfs: flag,
  SecurityOpt: list(text),
  StorageOpt: map(text),
  Tmpfs: map(text),
  UTSMode: text,
  UsernsMode: text,
  ShmSize: integer,
  Sysctls: map(text),
  Runtime: text,
  Isolation: text,
  Mounts: list(mountDocument),
  MaskedPaths: list(text),
  ReadonlyPaths: list(text),
  Init: flag,
};

export const hostConfig = object(hostConfigFields);

export const endpointSettings = object({
  IPAMConfig: object({ IPv4Address: text, IPv6Address: text, LinkLocalIPs: list(text) }),
  Links: list(text),
  MacAddress: text,
  Aliases: list(text),
  NetworkID: text,
  DriverOpts: map(text),
  GwPriority: integer,
});

export const networkingConfig = object({ EndpointsConfig: map(nullableObject(endpointSettings)) });

export const config = object(configFields);

export const createRequest = object({ ...configFields, HostConfig: hostConfig, NetworkingConfig: networkingConfig });

export type DockerConfig = ReturnType<typeof config>;
export type DockerHostConfig = ReturnType<typeof hostConfig>;
export type DockerResources = Pick<DockerHostConfig, keyof typeof resourceFields>;
export type DockerMount = ReturnType<typeof mountDocument>;
export type DockerEndpointSettings = ReturnType<typeof endpointSettings>;
export type DockerNetworkingConfig = ReturnType<typeof networkingConfig>;
export type DockerPortBindings = ReturnType<typeof portBindings>;
export type CreateRequest = ReturnType<typeof createRequest>;

/** Splits a create request into the three documents that inspect shows apart. */
export function splitCreateRequest(request: CreateRequest): {
  config: DockerConfig;
  hostConfig: DockerHostConfig;
  networkingConfig: DockerNetworkingConfig;
} {
  const { HostConfig, NetworkingConfig, ...rest } = request;
  return { config: rest, hostConfig: HostConfig ?? {}, networkingConfig: NetworkingConfig ?? {} };
}

function nullableList<T>(item: Decoder<T>): Decoder<T[]> {
  return (value, path) => (value === null ? [] : list(item)(value, path));
}

function nullableObject<T extends object>(decode: Decoder<T>): Decoder<T> {
  return (value, path) => decode(value ?? {}, path);
}
