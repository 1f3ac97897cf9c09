// Every field of a create request (Docker Engine API 1.51: ContainerConfig, HostConfig, EndpointSettings, Mount) changes the container
// that the engine is asked for, or is refused with its name. None is ignored.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { isGantryError } from "#base/errors.ts";
import { createRequest, splitCreateRequest } from "#formats/docker-config.ts";
import { mergeImageConfig } from "#formats/docker-merge.ts";
import { checkResources } from "#formats/docker-resources.ts";
import { validateConfig, validateModes } from "#formats/docker-validate.ts";
import type { Image } from "#images/image-store.ts";
import type { Host } from "../../host/host.ts";
import { adjustToVersion } from "./adjust.ts";
import { containerConfig } from "./container-config.ts";
import { configDocument, hostConfigDocument } from "./host-config-document.ts";
import { mountRequests } from "./mounts.ts";
import { refuseUnsupported } from "./refuse.ts";
import { securityOf } from "./security.ts";

const image = {
  id: "sha256:1234",
  tags: ["busybox:latest"],
  config: { architecture: "amd64", os: "linux", config: { Cmd: ["sh"] }, rootfs: { type: "layers", diff_ids: [] } },
} as unknown as Image;

const able = true;
const machine: Host = {
  name: "machine",
  kernelVersion: "6.18.0",
  operatingSystem: "Linux",
  osVersion: "1",
  machine: "x86_64",
  goArch: "amd64",
  scmpArch: "SCMP_ARCH_X86_64",
  memoryBytes: 2 ** 34,
  cgroupVersion: "1",
  limitWarnings: [],
  limits: {
    memory: able,
    swap: able,
    memoryReservation: able,
    swappiness: able,
    oomKillDisable: able,
    pids: able,
    cpuShares: able,
    cpuCfs: able,
    cpuRealtime: able,
    cpuset: able,
    blkioWeight: able,
    blkioThrottle: able,
    cpus: 4,
    cpuList: "0-3",
    memoryNodes: "0",
  },
  appArmor: true,
  ipv4Forwarding: () => true,
};

/** What the engine would be asked for, without the documents that are only echoed. */
function outcome(request: object): unknown {
  const { documents } = adjustToVersion(splitCreateRequest(createRequest({ Image: "busybox", ...request }, "")), 51);
  validateConfig(documents.config);
  validateModes(documents.config, documents.hostConfig);
  refuseUnsupported(documents.config, documents.hostConfig);
  const { resources: host } = checkResources(documents.hostConfig, machine.limits, false);
  const config = mergeImageConfig(documents.config, image.config.config ?? {});
  const { security } = securityOf(host, machine);
  const mounts = mountRequests(config, host, () => undefined);
  const inputs = { name: "web", config, host, networking: documents.networkingConfig, image, security };
  const { origin, ...rest } = containerConfig({
    ...inputs,
    mounts: [],
    hostGateway: "172.17.0.1",
    hostName: "machine",
    find: () => undefined,
    userNamespace: undefined,
  });
  assert.ok(origin);
  return { ...rest, mounts };
}

/** Checks one field. `also`: what it needs beside it. */
function walk(samples: Readonly<Record<string, object>>, base: object): void {
  for (const [field, request] of Object.entries(samples)) {
    const before = outcome(base);
    let after: unknown;
    try {
      after = outcome(request);
    } catch (error) {
      assert.ok(isGantryError(error, "invalid") || isGantryError(error, "unsupported"), `${field}: ${String(error)}`);
      const named = `${error.message} ${JSON.stringify(error.details)}`.toLowerCase();
      const words = field.split(".").at(-1)?.toLowerCase() ?? field;
      assert.ok(
        named.includes(words) || /device driver|no such container|user namespace mode/.test(named),
        `${field} is not named: ${error.message}`,
      );
      continue;
    }
    assert.notDeepEqual(after, before, `${field} is ignored`);
  }
}

test("Config", () => {
  walk(
    {
      Hostname: { Hostname: "h" },
      Domainname: { Domainname: "d" },
      User: { User: "1" },
      Tty: { Tty: true },
      OpenStdin: { OpenStdin: true },
      StdinOnce: { OpenStdin: true, StdinOnce: true },
      Env: { Env: ["A=1"] },
      Cmd: { Cmd: ["x"] },
      Healthcheck: { Healthcheck: { Test: ["CMD", "x"] } },
      Image: { Image: "other" },
      Volumes: { Volumes: { "/v": {} } },
      WorkingDir: { WorkingDir: "/w" },
      Entrypoint: { Entrypoint: ["e"] },
      NetworkDisabled: { NetworkDisabled: true },
      MacAddress: { MacAddress: "02:00:00:00:00:01" },
      OnBuild: { OnBuild: ["RUN x"] },
      Labels: { Labels: { a: "b" } },
      StopSignal: { StopSignal: "INT" },
      StopTimeout: { StopTimeout: 3 },
      ExposedPorts: { ExposedPorts: { "80/tcp": {} }, HostConfig: { PublishAllPorts: true } },
    },
    {},
  );
});

/** Fields that a container does not depend on, and why. */
const WITHOUT_EFFECT = {
  AttachStdin: "the client's own streams: it attaches by a request of its own",
  AttachStdout: "as AttachStdin",
  AttachStderr: "as AttachStdin",
  ArgsEscaped: "Windows",
  Shell: "for builds",
  ContainerIDFile: "the client writes it",
  KernelMemory: "removed in API 1.42, and ignored since, by dockerd too",
};

test("HostConfig", () => {
  const host = (fields: object): object => ({ HostConfig: fields });
  walk(
    {
      Binds: host({ Binds: ["/usr:/u"] }),
      LogConfig: host({ LogConfig: { Type: "none" } }),
      NetworkMode: host({ NetworkMode: "host" }),
      PortBindings: host({ PortBindings: { "80/tcp": [{ HostPort: "8080" }] } }),
      RestartPolicy: host({ RestartPolicy: { Name: "always" } }),
      AutoRemove: host({ AutoRemove: true }),
      VolumesFrom: host({ VolumesFrom: ["other"] }),
      Annotations: host({ Annotations: { a: "b" } }),
      CapAdd: host({ CapAdd: ["NET_ADMIN"] }),
      CapDrop: host({ CapDrop: ["MKNOD"] }),
      CgroupnsMode: host({ CgroupnsMode: "host" }),
      Dns: host({ Dns: ["1.1.1.1"] }),
      DnsOptions: host({ DnsOptions: ["ndots:1"] }),
      DnsSearch: host({ DnsSearch: ["x"] }),
      ExtraHosts: host({ ExtraHosts: ["a:1.1.1.1"] }),
      GroupAdd: host({ GroupAdd: ["5"] }),
      IpcMode: host({ IpcMode: "host" }),
      Cgroup: host({ Cgroup: "x" }),
      Links: host({ Links: ["other:alias"] }),
      OomScoreAdj: host({ OomScoreAdj: 1 }),
      PidMode: host({ PidMode: "host" }),
      Privileged: host({ Privileged: true }),
      ReadonlyRootfs: host({ ReadonlyRootfs: true }),
      SecurityOpt: host({ SecurityOpt: ["no-new-privileges"] }),
      StorageOpt: host({ StorageOpt: { size: "1" } }),
      Tmpfs: host({ Tmpfs: { "/t": "" } }),
      ConsoleSize: host({ ConsoleSize: [30, 100] }),
      UTSMode: host({ UTSMode: "host" }),
      UsernsMode: host({ UsernsMode: "nope" }),
      ShmSize: host({ ShmSize: 1 }),
      Sysctls: host({ Sysctls: { "net.core.somaxconn": "1" } }),
      Runtime: host({ Runtime: "nope" }),
      Isolation: host({ Isolation: "hyperv" }),
      Mounts: host({ Mounts: [{ Type: "tmpfs", Target: "/t" }] }),
      MaskedPaths: host({ MaskedPaths: ["/m"] }),
      ReadonlyPaths: host({ ReadonlyPaths: ["/r"] }),
      Init: host({ Init: true }),
      CpuShares: host({ CpuShares: 5 }),
      Memory: host({ Memory: 2 ** 26 }),
      NanoCpus: host({ NanoCpus: 1e9 }),
      CgroupParent: host({ CgroupParent: "/p" }),
      BlkioWeight: host({ BlkioWeight: 100 }),
      BlkioWeightDevice: host({ BlkioWeightDevice: [{ Path: "/dev/null", Weight: 100 }] }),
      BlkioDeviceReadBps: host({ BlkioDeviceReadBps: [{ Path: "/dev/null", Rate: 1 }] }),
      BlkioDeviceWriteBps: host({ BlkioDeviceWriteBps: [{ Path: "/dev/null", Rate: 1 }] }),
      BlkioDeviceReadIOps: host({ BlkioDeviceReadIOps: [{ Path: "/dev/null", Rate: 1 }] }),
      BlkioDeviceWriteIOps: host({ BlkioDeviceWriteIOps: [{ Path: "/dev/null", Rate: 1 }] }),
      CpuPeriod: host({ CpuPeriod: 10_000 }),
      CpuQuota: host({ CpuQuota: 10_000 }),
      CpuRealtimePeriod: host({ CpuRealtimePeriod: 10_000 }),
      CpuRealtimeRuntime: host({ CpuRealtimeRuntime: 1000, CpuRealtimePeriod: 10_000 }),
      CpusetCpus: host({ CpusetCpus: "0" }),
      CpusetMems: host({ CpusetMems: "0" }),
      Devices: host({ Devices: [{ PathOnHost: "/dev/null", PathInContainer: "/dev/n", CgroupPermissions: "r" }] }),
      DeviceCgroupRules: host({ DeviceCgroupRules: ["c 1:3 r"] }),
      DeviceRequests: host({ DeviceRequests: [{ Capabilities: [["gpu"]] }] }),
      KernelMemoryTCP: host({ KernelMemoryTCP: 2 ** 26 }),
      MemoryReservation: host({ MemoryReservation: 2 ** 26 }),
      MemorySwap: host({ Memory: 2 ** 26, MemorySwap: 2 ** 28 }),
      MemorySwappiness: host({ MemorySwappiness: 5 }),
      OomKillDisable: host({ OomKillDisable: true, Memory: 2 ** 26 }),
      PidsLimit: host({ PidsLimit: 5 }),
      Ulimits: host({ Ulimits: [{ Name: "nofile", Soft: 1, Hard: 2 }] }),
      CpuCount: host({ CpuCount: 1 }),
      CpuPercent: host({ CpuPercent: 1 }),
      IOMaximumIOps: host({ IOMaximumIOps: 1 }),
      IOMaximumBandwidth: host({ IOMaximumBandwidth: 1 }),
    },
    {},
  );
});

test("every field that the decoder knows is walked, or has no effect for a reason", () => {
  const source = readFileSync(new URL("./every-field.test.ts", import.meta.url), "utf8");
  const { documents } = adjustToVersion(splitCreateRequest({}), 51);
  const shown = { ...configDocument(documents.config), ...hostConfigDocument(documents.hostConfig) };
  const missing = Object.keys(shown).filter(
    (field) => !Object.hasOwn(WITHOUT_EFFECT, field) && !new RegExp(`[ {]${field}: `).test(source),
  );
  assert.deepEqual(missing, []);
});

test("fields that change nothing by themselves change what they go with", () => {
  walk({ VolumeDriver: { Volumes: { "/v": {} }, HostConfig: { VolumeDriver: "other" } } }, { Volumes: { "/v": {} } });
  walk(
    { PublishAllPorts: { ExposedPorts: { "80/tcp": {} }, HostConfig: { PublishAllPorts: true } } },
    { ExposedPorts: { "80/tcp": {} } },
  );
});

test("EndpointSettings", () => {
  const at = (settings: object): object => ({
    HostConfig: { NetworkMode: "net" },
    NetworkingConfig: { EndpointsConfig: { net: settings } },
  });
  walk(
    {
      "IPAMConfig.IPv4Address": at({ IPAMConfig: { IPv4Address: "10.0.0.9" } }),
      "IPAMConfig.IPv6Address": at({ IPAMConfig: { IPv6Address: "fd00::9" } }),
      "IPAMConfig.LinkLocalIPs": at({ IPAMConfig: { LinkLocalIPs: ["169.254.1.1"] } }),
      Links: at({ Links: ["other:x"] }),
      Aliases: at({ Aliases: ["a"] }),
      MacAddress: at({ MacAddress: "02:00:00:00:00:02" }),
      DriverOpts: at({ DriverOpts: { nope: "1" } }),
      "DriverOpts, known": at({ DriverOpts: { "com.docker.network.endpoint.ifname": "lan0" } }),
      GwPriority: at({ GwPriority: 3 }),
    },
    at({}),
  );
});

test("Mount", () => {
  const mount = (fields: object): object => ({ HostConfig: { Mounts: [{ Target: "/t", ...fields }] } });
  const bind = { Type: "bind", Source: "/usr" };
  walk(
    {
      Source: mount({ ...bind, Source: "/etc" }),
      Target: mount({ ...bind, Target: "/elsewhere" }),
      ReadOnly: mount({ ...bind, ReadOnly: true }),
      "BindOptions.Propagation": mount({ ...bind, BindOptions: { Propagation: "rslave" } }),
      "BindOptions.NonRecursive": mount({ ...bind, BindOptions: { NonRecursive: true } }),
      "BindOptions.CreateMountpoint": mount({ ...bind, BindOptions: { CreateMountpoint: true } }),
      "BindOptions.ReadOnlyNonRecursive": mount({ ...bind, BindOptions: { ReadOnlyNonRecursive: true } }),
      "BindOptions.ReadOnlyForceRecursive": mount({ ...bind, BindOptions: { ReadOnlyForceRecursive: true } }),
    },
    mount(bind),
  );
  const volume = { Type: "volume", Source: "vol" };
  walk(
    {
      "VolumeOptions.NoCopy": mount({ ...volume, VolumeOptions: { NoCopy: true } }),
      "VolumeOptions.Labels": mount({ ...volume, VolumeOptions: { Labels: { a: "b" } } }),
      "VolumeOptions.Subpath": mount({ ...volume, VolumeOptions: { Subpath: "s" } }),
      "VolumeOptions.DriverConfig.Name": mount({ ...volume, VolumeOptions: { DriverConfig: { Name: "d" } } }),
      "VolumeOptions.DriverConfig.Options": mount({
        ...volume,
        VolumeOptions: { DriverConfig: { Options: { o: "1" } } },
      }),
    },
    mount(volume),
  );
  const tmpfs = { Type: "tmpfs" };
  walk(
    {
      "TmpfsOptions.SizeBytes": mount({ ...tmpfs, TmpfsOptions: { SizeBytes: 4096 } }),
      "TmpfsOptions.Mode": mount({ ...tmpfs, TmpfsOptions: { Mode: 0o700 } }),
      "TmpfsOptions.Options": mount({ ...tmpfs, TmpfsOptions: { Options: [["exec"]] } }),
    },
    mount(tmpfs),
  );
  walk(
    { "ImageOptions.Subpath": mount({ Type: "image", Source: "i", ImageOptions: { Subpath: "s" } }) },
    mount({ Type: "image", Source: "i" }),
  );
  assert.throws(() => outcome(mount({ Type: "cluster", Source: "c" })), { code: "unsupported" });
});
