import type { Container, ContainerConfig } from "#containers/engine.ts";
import type { DockerHostConfig } from "#formats/docker-config.ts";
import { configDocument, hostConfigDocument } from "./create/host-config-document.ts";

/** The Config and HostConfig that inspect shows. */
export interface OriginDocuments {
  readonly Config: Record<string, unknown>;
  readonly HostConfig: Record<string, unknown>;
}

/** What the client gave; for a container that came by another door (a pod's), what its configuration amounts to. */
export function originOf(container: Container): OriginDocuments {
  const docker = container.config.origin?.["docker"] as OriginDocuments | undefined;
  const documents = docker ?? derive(container.config);
  if (documents.Config["Hostname"]) return documents;
  return {
    ...documents,
    Config: { ...documents.Config, Hostname: container.config.hostname || container.id.slice(0, 12) },
  };
}

/** Only the HostConfig: what `docker ps` needs of a thousand containers. */
export function hostConfigOf({ config }: Container): Record<string, unknown> {
  const docker = config.origin?.["docker"] as OriginDocuments | undefined;
  return (docker ?? derive(config)).HostConfig;
}

function derive(config: ContainerConfig): OriginDocuments {
  const { namespaces, resources, restartPolicy } = config;
  const host: DockerHostConfig = {
    NetworkMode:
      namespaces.network.kind === "container"
        ? `container:${namespaces.network.id}`
        : namespaces.network.kind === "new"
          ? (config.networks[0]?.network ?? "bridge")
          : namespaces.network.kind,
    CgroupParent: config.cgroupParent,
    Privileged: config.security.privileged,
    ReadonlyRootfs: config.readonlyRoot,
    OomScoreAdj: config.oomScoreAdj,
    ShmSize: config.shmBytes,
    Memory: resources.memory?.limit ?? 0,
    CpuShares: resources.cpu?.shares ?? 0,
    CpuPeriod: resources.cpu?.period ?? 0,
    CpuQuota: resources.cpu?.quota ?? 0,
    RestartPolicy: {
      Name: restartPolicy.kind,
      MaximumRetryCount: restartPolicy.kind === "on-failure" ? restartPolicy.maximumRetries : 0,
    },
    LogConfig: { Type: config.log.driver },
  };
  return {
    HostConfig: hostConfigDocument(host),
    Config: configDocument({
      Hostname: config.hostname,
      User: config.user,
      Env: [...config.env],
      Cmd: [...config.args],
      Image: config.image,
      WorkingDir: config.workingDir,
      Labels: { ...config.labels },
      Tty: config.terminal,
      OpenStdin: config.stdin !== "none",
      StdinOnce: config.stdin === "once",
    }),
  };
}
