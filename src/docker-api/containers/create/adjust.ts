import { GantryError } from "#base/errors.ts";
import type { DockerConfig, DockerHostConfig, DockerNetworkingConfig } from "#formats/docker-config.ts";

export interface CreateDocuments {
  readonly config: DockerConfig;
  readonly hostConfig: DockerHostConfig;
  readonly networkingConfig: DockerNetworkingConfig;
}

/**
 * What a request means by the rules of the API version it was written for (moby api/server/router/container postContainersCreate),
 * with warnings for the client. Throws `invalid`.
 */
export function adjustToVersion(
  documents: CreateDocuments,
  version: number,
): { documents: CreateDocuments; warnings: string[] } {
  const config = { ...documents.config };
  const hostConfig = { ...documents.hostConfig };
  const endpoints = { ...documents.networkingConfig.EndpointsConfig };
  useDefaultNetwork(hostConfig, endpoints);
  if (version < 25) hostConfig.AutoRemove = false;
  if (version < 40 && !hostConfig.IpcMode) hostConfig.IpcMode = "shareable";
  if (version < 43) delete hostConfig.Annotations;
  if (version < 44) {
    const names = Object.keys(endpoints);
    if (names.length > 1)
      throw new GantryError(
        "invalid",
        `Container cannot be created with multiple network endpoints: ${names.join(", ")}`,
      );
  }
  const warnings = moveMacAddress(config, hostConfig, endpoints, version);
  return { documents: { config, hostConfig, networkingConfig: { EndpointsConfig: endpoints } }, warnings };
}

type Endpoints = NonNullable<DockerNetworkingConfig["EndpointsConfig"]>;

/** "default" and nothing at all are the bridge network. */
function useDefaultNetwork(hostConfig: DockerHostConfig, endpoints: Endpoints): void {
  if (hostConfig.NetworkMode && hostConfig.NetworkMode !== "default") return;
  hostConfig.NetworkMode = "bridge";
  const settings = endpoints["default"];
  if (!settings) return;
  endpoints["bridge"] = settings;
  delete endpoints["default"];
}

/** The container-wide MAC address belongs to the main network's endpoint since 1.44. */
function moveMacAddress(
  config: DockerConfig,
  hostConfig: DockerHostConfig,
  endpoints: Endpoints,
  version: number,
): string[] {
  const mac = config.MacAddress;
  if (!mac) return [];
  const network = hostConfig.NetworkMode ?? "bridge";
  if (network === "host" || network === "none" || network.startsWith("container:")) {
    throw new GantryError("invalid", "conflicting options: mac-address and the network mode", { field: "MacAddress" });
  }
  const settings = endpoints[network] ?? {};
  if (settings.MacAddress && settings.MacAddress !== mac) {
    throw new GantryError(
      "invalid",
      "the container-wide MAC address must match the endpoint-specific MAC address for the main network, or be left empty",
    );
  }
  endpoints[network] = { ...settings, MacAddress: mac };
  delete config.MacAddress;
  return version < 44
    ? []
    : ["The container-wide MacAddress field is now deprecated. It should be specified in EndpointsConfig instead."];
}
