import { GantryError } from "#base/errors.ts";
import type { Container, ContainerConfig } from "#containers/engine.ts";
import type { DockerHostConfig, DockerNetworkingConfig } from "#formats/docker-config.ts";
import { exposedPorts } from "../network-settings.ts";
import type { FindContainer } from "./namespaces.ts";

/** `name:alias` links of the default bridge and of user-defined networks. Throws `invalid` in Docker's words. */
export function linksOf(
  host: DockerHostConfig,
  networking: DockerNetworkingConfig,
  find: FindContainer,
): Pick<ContainerConfig, "links"> {
  const legacy = host.NetworkMode === "bridge";
  const links = (host.Links ?? []).map((spec) => {
    const { container, alias } = parseLink(spec, find);
    return { id: container.id, alias, ...(legacy && { ports: exposedPorts(container) }) };
  });
  for (const spec of Object.values(networking.EndpointsConfig ?? {}).flatMap(({ Links = [] }) => Links)) {
    const { container, alias } = parseLink(spec, find);
    links.push({ id: container.id, alias });
  }
  return links.length > 0 ? { links } : {};
}

/** The form with a path (`/web:/me/alias`) is what inspect shows. */
function parseLink(spec: string, find: FindContainer): { container: Container; alias: string } {
  const [name = "", given, ...rest] = spec.split(":");
  if (name === "" || rest.length > 0)
    throw new GantryError("invalid", `bad format for links: ${spec}`, { field: "Links" });
  const container = find(name.replace(/^\//, ""));
  // Not Docker's 404: the CLI would take it for a missing image, and pull.
  if (!container)
    throw new GantryError("invalid", `could not get container for ${name}: No such container: ${name}`, {
      field: "Links",
    });
  return { container, alias: (given || name).split("/").at(-1) ?? name };
}
