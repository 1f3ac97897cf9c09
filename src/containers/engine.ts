import type { Duplex, Readable } from "node:stream";
import type { HealthcheckConfig } from "#formats/image-config.ts";
import type { OciResources, OciSeccomp } from "#formats/oci-spec.ts";
import type { Endpoint, PortMapping } from "#network/networks.ts";

/**
 * The container engine: what docker-api and kube-node both stand on. It knows nothing of either API's documents;
 * each translates its own into a ContainerConfig and keeps what it must echo in `origin`.
 */
export interface Engine {
  create(config: ContainerConfig): Promise<Container>;
  /** `not-modified` when it runs already. */
  start(id: string): Promise<void>;
  /** stopSignal, then SIGKILL after `timeoutSeconds` (default: the container's own, else 10; negative: wait for ever). */
  stop(id: string, options?: { signal?: number; timeoutSeconds?: number }): Promise<void>;
  restart(id: string, options?: { signal?: number; timeoutSeconds?: number }): Promise<void>;
  /** `conflict` when it is not running. */
  kill(id: string, signal: number): Promise<void>;
  pause(id: string): Promise<void>;
  unpause(id: string): Promise<void>;
  rename(id: string, name: string): Promise<void>;
  /** Changes limits, live when it runs, and the restart policy; `origin` replaces the client's documents that go with them. */
  update(
    id: string,
    change: { resources?: OciResources; restartPolicy?: RestartPolicy; origin?: Readonly<Record<string, unknown>> },
  ): Promise<void>;
  /** Joins one more network: plugged in at once when it runs, else at the next start. `conflict` when it is joined already. */
  connect(id: string, attachment: NetworkAttachment): Promise<void>;
  /** Leaves a network (name or id). `not-found` when it is not joined; `force` forgives that. */
  disconnect(id: string, network: string, force: boolean): Promise<void>;
  remove(id: string, options?: { force?: boolean; volumes?: boolean }): Promise<void>;
  /** By id, unambiguous id prefix, or name. Throws `not-found` ("No such container: x") or `invalid` for an ambiguous prefix. */
  get(reference: string): Container;
  find(reference: string): Container | undefined;
  list(): readonly Container[];
  /** Resolves with the exit when the condition holds (Docker's wait conditions). */
  wait(id: string, condition: "not-running" | "next-exit" | "removed", signal?: AbortSignal): Promise<ContainerExit>;
  logs(id: string, options: LogOptions): Promise<Readable>;
  /** Output in Docker's multiplexed framing, raw with a terminal. With `logs`, what was written before comes first. */
  attach(id: string, options: AttachOptions): Promise<Duplex>;
  resize(id: string, rows: number, columns: number): Promise<void>;
  createExec(id: string, config: ExecConfig): Promise<Exec>;
  exec(execId: string): Exec;
  /** Starts it; with streams when attached. */
  startExec(
    execId: string,
    options: { detach: boolean; terminal?: { rows: number; columns: number } },
  ): Promise<Duplex | undefined>;
  resizeExec(execId: string, rows: number, columns: number): Promise<void>;
  waitExec(execId: string): Promise<number>;
  /** One reading; `stats` of a stopped container are zeros. */
  stats(id: string): Promise<ContainerStats>;
  /** Processes of a running container: pids in the host's namespace. */
  processes(id: string): Promise<readonly number[]>;
  /** Everything that happens to containers, execs, volumes; the newest 1,024 are kept for `since`. */
  events(listener: (event: EngineEvent) => void): () => void;
  pastEvents(sinceMs: number, untilMs: number): readonly EngineEvent[];
  /** A directory of containers (a pod, a QoS class) below every controller's root: made when missing, with these limits. */
  setCgroupParent(path: string, resources: OciResources): Promise<void>;
  /** Removes an empty one; harmless when it is gone. */
  removeCgroupParent(path: string): Promise<void>;
  readonly volumes: Volumes;
  /** The user namespace that containers get unless they ask for the host's (`--userns-remap`); undefined: the host's. */
  readonly userNamespace?: UserNamespaceMaps;
  /** The end of the daemon with all that it runs: every container is stopped by its own signal and timeout, of at most `longestSeconds` (10 by default, as `docker stop`); none counts as stopped by hand, so restart policies act at the next start. */
  stopAll(longestSeconds?: number): Promise<void>;
  /** Stops watching; containers run on. */
  close(): Promise<void>;
}

export interface ContainerConfig {
  /** Without the slash; unique; generated (adjective_surname) when undefined. */
  readonly name?: string;
  /** Reference as the user wrote it, and the id it resolved to. `imageId` undefined: a sandbox without a root file system. */
  readonly image: string;
  readonly imageId: string | undefined;
  /** Entry point and command together: what is executed. */
  readonly args: readonly string[];
  readonly env: readonly string[];
  readonly workingDir: string;
  /** user[:group], names looked up in the container's own /etc/passwd and /etc/group (bounded reads). */
  readonly user: string;
  readonly additionalGroups?: readonly string[];
  /** Groups that the image's /etc/group lists the user in: undefined: unless `user` names a group (Docker); pods: always, or never. */
  readonly imageGroups?: "always" | "never";
  readonly hostname: string;
  readonly domainname?: string;
  readonly terminal: boolean;
  /** Of the terminal as the process begins; without it the terminal has no size until it is given one. */
  readonly terminalSize?: { readonly rows: number; readonly columns: number };
  readonly stdin: "none" | "open" | "once";
  readonly labels: Readonly<Record<string, string>>;
  readonly mounts: readonly MountConfig[];
  readonly readonlyRoot: boolean;
  readonly namespaces: Namespaces;
  readonly networks: readonly NetworkAttachment[];
  /** Written into the container's own /etc/resolv.conf and /etc/hosts; undefined: as Docker does it. */
  readonly dns?: { servers: readonly string[]; search: readonly string[]; options: readonly string[] };
  readonly extraHosts?: readonly string[];
  /** Other containers (ids) under names in this one's hosts file, at their addresses on a network that both are on: `docker run --link`. */
  readonly links?: readonly {
    readonly id: string;
    readonly alias: string;
    /** On the default bridge: the other's ports (`80/tcp`), which come into the environment with its address and variables. */
    readonly ports?: readonly string[];
  }[];
  /** "host": the files are bind-mounted from these paths instead (pods). */
  readonly hostFiles?: { readonly resolvConf?: string; readonly hosts?: string; readonly hostname?: string };
  readonly resources: OciResources;
  /** Cgroup directory below each controller's root, without the id: "/docker", "/kubepods/burstable/pod<uid>". */
  readonly cgroupParent: string;
  readonly oomScoreAdj: number;
  readonly security: Security;
  readonly rlimits?: readonly { type: string; hard: number; soft: number }[];
  readonly sysctls?: Readonly<Record<string, string>>;
  /** Bytes of /dev/shm; 64 MiB by default. */
  readonly shmBytes: number;
  readonly devices?: readonly { hostPath: string; containerPath: string; access: string }[];
  readonly init?: boolean;
  readonly restartPolicy: RestartPolicy;
  readonly autoRemove: boolean;
  readonly stopSignal: number;
  readonly stopTimeoutSeconds?: number;
  readonly healthcheck?: HealthcheckConfig;
  readonly log: {
    readonly driver: "json-file" | "local" | "none";
    readonly maxBytes: number;
    readonly maxFiles: number;
    /** Files that were rotated away are compressed. */
    readonly compress?: boolean;
    /** What every record carries beside its text: labels and variables, and a template (`{{.Name}}`) that is filled in at each start. */
    readonly attributes?: Readonly<Record<string, string>>;
    readonly tag?: string;
  };
  readonly annotations?: Readonly<Record<string, string>>;
  /** The client's own documents, kept and returned as they are: `{docker: {Config, HostConfig, ...}}`, `{pod: ...}`. */
  readonly origin?: Readonly<Record<string, unknown>>;
}

export interface Namespaces {
  /** `netns`: instead of this machine's, that of a host whose network namespace is mounted there (a node on this machine). */
  readonly network:
    | { readonly kind: "new" | "none" }
    | { readonly kind: "host"; readonly netns?: string }
    | { readonly kind: "container"; readonly id: string };
  readonly pid: { readonly kind: "new" | "host" } | { readonly kind: "container"; readonly id: string };
  /** "private": not shareable (Docker's default); "shareable": others may join. */
  readonly ipc:
    | { readonly kind: "private" | "shareable" | "host" | "none" }
    | { readonly kind: "container"; readonly id: string };
  readonly uts: { readonly kind: "new" | "host" } | { readonly kind: "container"; readonly id: string };
  readonly cgroup: "private" | "host";
  /** Remapped ids: user namespaces. */
  readonly user?: UserNamespaceMaps;
}

export interface UserNamespaceMaps {
  readonly uidMappings: readonly IdMapping[];
  readonly gidMappings: readonly IdMapping[];
}

export interface IdMapping {
  readonly containerID: number;
  readonly hostID: number;
  readonly size: number;
}

export interface NetworkAttachment {
  /** Name or id. */
  readonly network: string;
  readonly ipv4?: string;
  readonly ipv6?: string;
  readonly mac?: string;
  readonly aliases: readonly string[];
  readonly linkLocal?: readonly string[];
  /** Settings of the interface, by name with IFNAME for the interface's. */
  readonly sysctls?: Readonly<Record<string, string>>;
  /** Instead of the next free eth0, eth1, ... */
  readonly interfaceName?: string;
  /** The highest of a container's networks has its default route; the first of equals. */
  readonly gatewayPriority?: number;
  /** As the client gave them, for inspect. */
  readonly driverOptions?: Readonly<Record<string, string>>;
  readonly ports: readonly PortMapping[];
}

export type MountConfig =
  | {
      readonly kind: "bind";
      readonly source: string;
      /** Below the source, resolved inside it (never out of it by a link), pods' subPath: made as a directory when missing. */ readonly subpath?: string;
      readonly target: string;
      readonly readonly: boolean;
      readonly propagation?: string;
      readonly create: boolean;
      readonly recursive: boolean;
      /** Only the mount itself is read-only, not those below it. */
      readonly shallowReadonly?: boolean;
      /** In a user namespace its files belong to the users that they belong to outside it (pods); otherwise to nobody there (Docker). */
      readonly mapIds?: boolean;
    }
  | {
      readonly kind: "volume";
      readonly name: string | undefined;
      readonly target: string;
      readonly readonly: boolean;
      readonly copyUp: boolean;
      readonly subpath?: string;
    }
  | {
      /** The files of an image, read-only. */
      readonly kind: "image";
      /** As the user wrote it, and the id that it resolved to. */
      readonly image: string;
      readonly imageId: string;
      readonly target: string;
      readonly subpath?: string;
    }
  | { readonly kind: "tmpfs"; readonly target: string; readonly options: readonly string[] };

export interface Security {
  readonly privileged: boolean;
  /** The full capability set, CAP_ names. */
  readonly capabilities: readonly string[];
  readonly noNewPrivileges: boolean;
  /** undefined: Docker's default profile; "unconfined": none. */
  readonly seccomp?: OciSeccomp | "unconfined";
  readonly apparmor?: string;
  /** Docker's default masked and read-only paths unless given. */
  readonly maskedPaths?: readonly string[];
  readonly readonlyPaths?: readonly string[];
}

export type RestartPolicy =
  | { readonly kind: "no" | "always" | "unless-stopped" }
  | { readonly kind: "on-failure"; readonly maximumRetries: number };

/** A container as it stands: a snapshot, replaced at each change. */
export interface Container {
  readonly id: string;
  readonly name: string;
  readonly config: ContainerConfig;
  readonly createdAt: number;
  readonly state: ContainerState;
  readonly restartCount: number;
  readonly endpoints: readonly Endpoint[];
  readonly mounts: readonly MountPoint[];
  readonly logPath: string;
  readonly execIds: readonly string[];
  readonly health?: Health;
}

export type ContainerState =
  /** With an exit: it was to be started, and could not (127, 126 or 128, and why). */
  | { readonly status: "created"; readonly exit?: ContainerExit }
  | { readonly status: "running" | "paused"; readonly pid: number; readonly startedAt: number }
  /** Between two runs, by the restart policy. */
  | { readonly status: "restarting"; readonly startedAt: number; readonly exit: ContainerExit }
  | { readonly status: "exited" | "dead"; readonly startedAt: number; readonly exit: ContainerExit }
  | { readonly status: "removing"; readonly exit?: ContainerExit };

export interface ContainerExit {
  readonly code: number;
  readonly oomKilled: boolean;
  /** Why it could not be started, in the daemon's words. */
  readonly error: string;
  readonly at: number;
}

export interface MountPoint {
  readonly type: "bind" | "volume" | "tmpfs" | "image";
  readonly name?: string;
  readonly source: string;
  readonly destination: string;
  readonly driver?: string;
  readonly mode: string;
  readonly readonly: boolean;
  readonly propagation: string;
}

export interface Health {
  readonly status: "starting" | "healthy" | "unhealthy";
  readonly failingStreak: number;
  readonly log: readonly {
    readonly start: number;
    readonly end: number;
    readonly exitCode: number;
    readonly output: string;
  }[];
}

export interface ExecConfig {
  readonly args: readonly string[];
  readonly env: readonly string[];
  readonly workingDir?: string;
  readonly user?: string;
  readonly privileged: boolean;
  readonly terminal: boolean;
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly detachKeys?: string;
}

export interface Exec {
  readonly id: string;
  readonly containerId: string;
  readonly config: ExecConfig;
  readonly state:
    | { readonly status: "created" }
    | { readonly status: "running"; readonly pid: number }
    | { readonly status: "exited"; readonly pid: number; readonly code: number };
}

export interface LogOptions {
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly follow: boolean;
  readonly timestamps: boolean;
  /** Epoch milliseconds (fractions allowed). */
  readonly since?: number;
  readonly until?: number;
  /** Lines from the end; undefined: all. */
  readonly tail?: number;
  readonly details?: boolean;
  /** "multiplexed": Docker's framing; "raw": bytes as they were written (kubectl logs, terminals). */
  readonly framing: "multiplexed" | "raw";
  readonly signal?: AbortSignal;
}

export interface AttachOptions {
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly logs: boolean;
  /** Live output; false: only what `logs` gives. */
  readonly stream: boolean;
}

export interface ContainerStats {
  readonly readAt: number;
  readonly cpu: {
    readonly usageNanos: number;
    readonly userNanos: number;
    readonly systemNanos: number;
    readonly perCpuNanos: readonly number[];
    readonly throttledPeriods: number;
    readonly periods: number;
    readonly throttledNanos: number;
  };
  readonly memory: {
    readonly usageBytes: number;
    readonly maxBytes: number;
    readonly limitBytes: number;
    readonly failures: number;
    readonly detail: Readonly<Record<string, number>>;
  };
  readonly pids: { readonly current: number; readonly limit: number };
  readonly blockIo: readonly {
    readonly major: number;
    readonly minor: number;
    readonly op: string;
    readonly value: number;
  }[];
  readonly networks: Readonly<
    Record<
      string,
      {
        rxBytes: number;
        rxPackets: number;
        rxErrors: number;
        rxDropped: number;
        txBytes: number;
        txPackets: number;
        txErrors: number;
        txDropped: number;
      }
    >
  >;
}

/** Docker's event vocabulary: type container, volume, network, image; action create, start, die, oom, ... */
export interface EngineEvent {
  readonly type: "container" | "volume" | "network" | "image" | "daemon";
  readonly action: string;
  readonly actorId: string;
  readonly attributes: Readonly<Record<string, string>>;
  /** Epoch nanoseconds, strictly rising. */
  readonly timeNanos: bigint;
}

export interface Volume {
  readonly name: string;
  readonly driver: string;
  /** "local", or "global" for a plugin's that other machines see too. */
  readonly scope: string;
  readonly mountpoint: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly options: Readonly<Record<string, string>>;
  readonly createdAt: number;
  /** No name was given: `docker rm -v` and prune take it. */
  readonly anonymous: boolean;
}

export interface Volumes {
  create(config: {
    name?: string;
    driver: string;
    labels: Readonly<Record<string, string>>;
    options: Readonly<Record<string, string>>;
  }): Promise<Volume>;
  get(name: string): Volume;
  /** Names of the drivers that a volume may have: "local" and the plugins that are there. */
  drivers(): readonly string[];
  /** What its plugin tells of it; undefined for the local driver. */
  status(name: string): Promise<Readonly<Record<string, unknown>> | undefined>;
  list(): readonly Volume[];
  /**
   * Asks the plugins for volumes that only they know, which are listed and found from then on; not for a `name` that is known already.
   * Resolves with a sentence for each plugin that does not answer.
   */
  lookUp(name?: string): Promise<readonly string[]>;
  /** `conflict` when a container uses it. */
  remove(name: string, force: boolean): Promise<void>;
  /** Bytes on disk of what it holds, each file once; -1 for what another driver keeps. */
  sizeBytes(name: string): Promise<number>;
  /** Ids of the containers that use it. */
  users(name: string): readonly string[];
}
