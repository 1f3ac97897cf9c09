import { MASKED_PATHS, READONLY_PATHS } from "#formats/docker-defaults.ts";
import type {
  OciLinux,
  OciMount,
  OciNamespaceType,
  OciProcess,
  OciResources,
  OciSeccomp,
  OciSpec,
} from "#formats/oci-spec.ts";
import type { ContainerConfig } from "../engine.ts";
import { DEFAULT_MOUNTS, DEVICE_RULES, PRIVILEGED_DEVICE_RULES } from "./defaults.ts";
import type { Devices } from "./devices.ts";
import { environment } from "./environment.ts";
import { rootPropagation } from "./mount-points.ts";
import type { ProcessUser } from "./users.ts";

/** What a specification needs beside the configuration: all that has to be looked up. */
export interface SpecFacts {
  readonly id: string;
  readonly user: ProcessUser;
  /** The user's mounts, in order. */
  readonly mounts: readonly OciMount[];
  /** Paths on the host that are bound at these files. */
  readonly nameFiles: { readonly hosts?: string; readonly hostname?: string; readonly resolvConf?: string };
  /** Namespaces of other containers, by path. */
  readonly joined: Partial<Record<OciNamespaceType, string>>;
  /** Where shared memory with other containers lies on the host; undefined: its own. */
  readonly sharedMemory: string | undefined;
  readonly devices: Devices;
  readonly seccomp: OciSeccomp | undefined;
  /** Variables of linked containers; the container's own take their place. */
  readonly linkedEnv?: readonly string[];
}

/** The OCI specification of a container, with Docker's defaults. Pure. */
export function buildSpec(config: ContainerConfig, facts: SpecFacts): OciSpec {
  const ownNames = config.namespaces.uts.kind === "new";
  return {
    ociVersion: "1.2.0",
    process: specProcess(config, facts),
    root: { path: "", readonly: config.readonlyRoot },
    ...(ownNames && config.hostname !== "" && { hostname: config.hostname }),
    ...(ownNames && config.domainname && { domainname: config.domainname }),
    mounts: specMounts(config, facts),
    ...(config.annotations && { annotations: { ...config.annotations } }),
    linux: specLinux(config, facts),
  };
}

/** Docker's rules for all devices, then what the container adds. */
export function deviceRules(config: ContainerConfig, devices: Devices): NonNullable<OciResources["devices"]> {
  if (config.security.privileged) return [...PRIVILEGED_DEVICE_RULES];
  return [...DEVICE_RULES, ...devices.rules, ...(config.resources.devices ?? [])];
}

function specProcess(config: ContainerConfig, { user, linkedEnv = [] }: SpecFacts): OciProcess {
  const { security } = config;
  return {
    terminal: config.terminal,
    user: { uid: user.uid, gid: user.gid, additionalGids: [...user.additionalGids] },
    args: [...config.args],
    env: environment({ hostname: config.hostname, terminal: config.terminal, home: user.home }, linkedEnv, config.env),
    cwd: config.workingDir || "/",
    capabilities: capabilitySets(security.capabilities),
    ...(config.rlimits && { rlimits: config.rlimits.map((limit) => ({ ...limit })) }),
    noNewPrivileges: security.noNewPrivileges,
    ...(security.apparmor && { apparmorProfile: security.apparmor }),
    oomScoreAdj: config.oomScoreAdj,
  };
}

/** Inheritable and ambient stay empty (CVE-2022-24769). */
export function capabilitySets(names: readonly string[]): NonNullable<OciProcess["capabilities"]> {
  return { bounding: [...names], effective: [...names], permitted: [...names] };
}

function specMounts(config: ContainerConfig, facts: SpecFacts): OciMount[] {
  const { privileged } = config.security;
  const taken = new Set(facts.mounts.map(({ destination }) => destination));
  const own = DEFAULT_MOUNTS.filter(
    ({ destination }) =>
      !taken.has(destination) &&
      !(taken.has("/dev") && destination.startsWith("/dev/")) &&
      !(destination === "/dev/shm" && config.namespaces.ipc.kind === "none"),
  ).map((mount) => adjusted(mount, config, facts));
  const writable = privileged || config.namespaces.user !== undefined;
  return [
    ...own.map((mount) =>
      (mount.destination === "/sys" && privileged) || (mount.type === "cgroup" && writable)
        ? without(mount, "ro")
        : mount,
    ),
    ...byDepth([...nameFileMounts(config, facts, taken), ...facts.mounts]),
  ];
}

/** A volume at /etc must not hide the files that are mounted below it. */
function byDepth(mounts: readonly OciMount[]): OciMount[] {
  const depth = ({ destination }: OciMount): number => destination.split("/").length;
  return mounts.toSorted((a, b) => depth(a) - depth(b));
}

function adjusted(mount: OciMount, config: ContainerConfig, facts: SpecFacts): OciMount {
  const options = [...(mount.options ?? [])];
  if (mount.destination === "/dev/shm") {
    if (facts.sharedMemory !== undefined)
      return {
        destination: mount.destination,
        type: "bind",
        source: facts.sharedMemory,
        options: ["rbind", "rprivate"],
      };
    options.push(`size=${config.shmBytes}`);
  }
  const stays = /^\/(proc|dev|dev\/(pts|shm|mqueue))$/.test(mount.destination);
  if (config.readonlyRoot && !stays && !options.includes("ro")) options.push("ro");
  return { ...mount, options };
}

const without = (mount: OciMount, option: string): OciMount => ({
  ...mount,
  options: mount.options?.filter((each) => each !== option) ?? [],
});

function nameFileMounts(
  { namespaces }: ContainerConfig,
  { nameFiles }: SpecFacts,
  taken: ReadonlySet<string>,
): OciMount[] {
  const files: [string, string | undefined][] = [
    ["/etc/resolv.conf", nameFiles.resolvConf],
    ["/etc/hostname", nameFiles.hostname],
    ["/etc/hosts", nameFiles.hosts],
  ];
  return files.flatMap(([destination, source]) =>
    source === undefined || taken.has(destination)
      ? []
      : [{ destination, type: "bind", source, options: ["rbind", "rprivate", ...(namespaces.user ? ["idmap"] : [])] }],
  );
}

function specLinux(config: ContainerConfig, facts: SpecFacts): OciLinux {
  const { security, namespaces } = config;
  const propagation = rootPropagation(facts.mounts);
  return {
    namespaces: specNamespaces(config, facts),
    ...(namespaces.user && {
      uidMappings: namespaces.user.uidMappings.map((mapping) => ({ ...mapping })),
      gidMappings: namespaces.user.gidMappings.map((mapping) => ({ ...mapping })),
    }),
    devices: [...facts.devices.nodes],
    cgroupsPath: `${config.cgroupParent}/${facts.id}`,
    resources: { ...config.resources, devices: deviceRules(config, facts.devices) },
    sysctl: specSysctls(config),
    ...(facts.seccomp && { seccomp: facts.seccomp }),
    ...(propagation && { rootfsPropagation: propagation }),
    maskedPaths: [...(security.maskedPaths ?? (security.privileged ? [] : MASKED_PATHS))],
    readonlyPaths: [...(security.readonlyPaths ?? (security.privileged ? [] : READONLY_PATHS))],
  };
}

function specNamespaces(config: ContainerConfig, { joined }: SpecFacts): NonNullable<OciLinux["namespaces"]> {
  const { network, pid, ipc, uts, cgroup, user } = config.namespaces;
  const wanted: [OciNamespaceType, boolean][] = [
    ["mount", true],
    ["network", network.kind !== "host"],
    ["uts", uts.kind !== "host"],
    ["ipc", ipc.kind !== "host"],
    ["pid", pid.kind !== "host"],
    ["cgroup", cgroup === "private"],
    ["user", user !== undefined],
  ];
  return wanted.flatMap(([type, isOwn]) => {
    const path = joined[type];
    if (path !== undefined) return [{ type, path }];
    return isOwn ? [{ type }] : [];
  });
}

/** Ping and low ports for everyone, in a network namespace of its own (moby, daemon/oci_linux: WithCommonOptions). */
function specSysctls(config: ContainerConfig): Record<string, string> {
  const { network, user } = config.namespaces;
  const ownNetwork = network.kind === "new" || network.kind === "none";
  return {
    ...(ownNetwork && !user && { "net.ipv4.ping_group_range": "0 2147483647" }),
    ...(ownNetwork && { "net.ipv4.ip_unprivileged_port_start": "0" }),
    ...config.sysctls,
  };
}
