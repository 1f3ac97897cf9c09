import { GantryError } from "#base/errors.ts";
import {
  createRequest,
  splitCreateRequest,
  type CreateRequest,
  type DockerHostConfig,
} from "#formats/docker-config.ts";
import { mergeImageConfig } from "#formats/docker-merge.ts";
import { checkResources } from "#formats/docker-resources.ts";
import { validateConfig, validateModes } from "#formats/docker-validate.ts";
import type { Image } from "#images/image-store.ts";
import type { Deps } from "../../deps.ts";
import { jsonBody, type Handler } from "../../http/call.ts";
import { json } from "../../http/reply.ts";
import { checkStaticAddresses } from "../../networks/static-addresses.ts";
import { adjustToVersion } from "./adjust.ts";
import { containerConfig } from "./container-config.ts";
import { mountRequests, prepareMounts } from "./mounts.ts";
import { pinModes } from "./namespaces.ts";
import { refuseUnsupported } from "./refuse.ts";
import { securityOf } from "./security.ts";

/** POST /containers/create. */
export function createHandler(deps: Deps): Handler {
  return async (call) => {
    const request = await jsonBody(call, createRequest);
    const options = { name: call.query.text("name"), platform: call.query.text("platform"), version: call.version };
    const { id, warnings } = await createContainer(deps, request, options);
    json(call.response, 201, { Id: id, Warnings: warnings });
  };
}

export interface CreateOptions {
  /** "" has one made up. */
  readonly name: string;
  /** `linux/amd64`, or "". */
  readonly platform: string;
  readonly version: number;
}

/**
 * Makes a container of a create request. Throws `invalid` for a request that Docker refuses, `not-found` for an unknown image (the CLI
 * pulls then), `conflict` for a name in use.
 */
export async function createContainer(
  deps: Deps,
  request: CreateRequest,
  options: CreateOptions,
): Promise<{ id: string; warnings: readonly string[] }> {
  const name = checkName(options.name);
  const adjusted = adjustToVersion(splitCreateRequest(request), options.version);
  const { config: asked, networkingConfig } = adjusted.documents;
  if (Object.keys(request).length === 0)
    throw new GantryError("invalid", "config cannot be empty in order to create a container");
  validateConfig(asked);
  validateModes(asked, adjusted.documents.hostConfig);
  refuseUnsupported(asked, adjusted.documents.hostConfig);
  const limits = checkResources(adjusted.documents.hostConfig, deps.host.limits, false);
  const find = deps.engine.find.bind(deps.engine);
  const host = pinModes(limits.resources, find);
  if (!asked.Image && !asked.Cmd?.length && !asked.Entrypoint?.length)
    throw new GantryError("invalid", "no command specified");
  const image = findImage(deps, asked.Image ?? "", options.platform);
  const config = mergeImageConfig(asked, image.config.config ?? {});
  const { security, warnings: securityWarnings } = securityOf(host, deps.host);
  const requests = mountRequests(config, host, find);
  const inputs = {
    name,
    config,
    host,
    networking: networkingConfig,
    image,
    security,
    hostGateway: hostGateway(deps),
    hostName: deps.host.name,
    find,
    userNamespace: deps.engine.userNamespace,
  };
  // Everything that can be refused is, before a volume is made.
  const checked = containerConfig({ ...inputs, mounts: [] });
  for (const attachment of checked.networks) {
    const { network } = attachment;
    checkStaticAddresses(deps.networks.find(network), attachment, `invalid config for network ${network}: `);
  }
  const mounts = await prepareMounts(requests, deps.engine.volumes, deps.images);
  const container = await deps.engine.create({ ...checked, mounts });
  return {
    id: container.id,
    warnings: [
      ...(requests.some(({ kind }) => kind === "image") ? ["Image mount is an experimental feature"] : []),
      ...limits.warnings,
      ...securityWarnings,
      ...modeWarnings(deps, host),
      ...adjusted.warnings,
    ],
  };
}

function checkName(name: string): string {
  const bare = name.startsWith("/") ? name.slice(1) : name;
  if (bare === "" || /^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/.test(bare)) return bare;
  throw new GantryError("invalid", `Invalid container name (${name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed`, {
    name,
  });
}

function findImage(deps: Deps, reference: string, platform: string): Image {
  if (reference === "") throw new GantryError("invalid", "invalid reference format");
  const image = deps.images.get(reference);
  const [os, architecture] = platform.split("/");
  if (
    platform === "" ||
    (os === image.config.os && (architecture === undefined || architecture === image.config.architecture))
  )
    return image;
  const own = `${image.config.os}/${image.config.architecture}`;
  throw new GantryError(
    "not-found",
    `image with reference ${reference} was found but its platform (${own}) does not match the specified platform (${platform})`,
    { reference },
  );
}

function modeWarnings(deps: Deps, host: DockerHostConfig): string[] {
  const warnings: string[] = [];
  const onHost = host.NetworkMode === "host";
  if (!onHost && host.NetworkMode !== "none" && !deps.host.ipv4Forwarding())
    warnings.push("IPv4 forwarding is disabled. Networking will not work.");
  if (onHost && Object.keys(host.PortBindings ?? {}).length > 0)
    warnings.push("Published ports are discarded when using host network mode");
  return warnings;
}

/** The address that `host-gateway` stands for: the default bridge's own. */
function hostGateway(deps: Deps): string | undefined {
  return deps.networks.find("bridge")?.ipam.find(({ gateway }) => gateway?.includes("."))?.gateway;
}
