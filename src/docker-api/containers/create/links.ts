import { GantryError } from "#base/errors.ts";
import type { ContainerConfig } from "#containers/engine.ts";
import type { DockerHostConfig, DockerNetworkingConfig } from "#formats/docker-config.ts";
import type { FindContainer } from "./namespaces.ts";

/** `name:alias` links of the default bridge and of user-defined networks. Throws `invalid` in Docker's words. */
export function linksOf(
  host: DockerHostConfig,
  networking: DockerNetworkingConfig,
  find: FindContainer,
): Pick<ContainerConfig, "links"> {
  const specs = [
    ...(host.Links ?? []),
    ...Object.values(networking.EndpointsConfig ?? {}).flatMap(({ Links = [] }) => Links),
  ];
  if (specs.length === 0) return {};
  return { links: specs.map((spec) => parseLink(spec, find)) };
}

/** The form with a path (`/web:/me/alias`) is what inspect shows. */
function parseLink(spec: string, find: FindContainer): { id: string; alias: string } {
  const [name = "", given, ...rest] = spec.split(":");
  if (name === "" || rest.length > 0)
    throw new GantryError("invalid", `bad format for links: ${spec}`, { field: "Links" });
  const container = find(name.replace(/^\//, ""));
  // Not Docker's 404: the CLI would take it for a missing image, and pull.
  if (!container)
    throw new GantryError("invalid", `could not get container for ${name}: No such container: ${name}`, {
      field: "Links",
    });
  return { id: container.id, alias: (given || name).split("/").at(-1) ?? name };
}
