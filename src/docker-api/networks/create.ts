import { GantryError } from "#base/errors.ts";
import { flag, list, map, object, text } from "#formats/docker-json.ts";
import type { NetworkConfig } from "#network/networks.ts";
import type { Deps } from "../deps.ts";
import { jsonBody, type Handler } from "../http/call.ts";
import { json } from "../http/reply.ts";
import { PREDEFINED } from "./predefined.ts";

const networkRequest = object({
  Name: text,
  CheckDuplicate: flag,
  Driver: text,
  Scope: text,
  EnableIPv4: flag,
  EnableIPv6: flag,
  IPAM: object({
    Driver: text,
    Options: map(text),
    Config: list(object({ Subnet: text, IPRange: text, Gateway: text, AuxiliaryAddresses: map(text) })),
  }),
  Internal: flag,
  Attachable: flag,
  Ingress: flag,
  ConfigOnly: flag,
  ConfigFrom: object({ Network: text }),
  Options: map(text),
  Labels: map(text),
});
type NetworkRequest = ReturnType<typeof networkRequest>;

/** POST /networks/create. */
export function createNetworkHandler(deps: Deps): Handler {
  return async (call) => {
    const request = await jsonBody(call, networkRequest);
    const config = networkConfig(request);
    if (deps.networks.list().some(({ name }) => name === config.name)) {
      throw new GantryError("conflict", `network with name ${config.name} already exists`, { name: config.name });
    }
    const network = await deps.networks.create(config);
    deps.journal.record("network", "create", network.id, { name: network.name, type: network.driver });
    json(call.response, 201, { Id: network.id, Warning: "" });
  };
}

/** Checks a request in Docker's words. Throws `invalid`, `forbidden` for a predefined name, and refuses by name what Gantry does not do. */
function networkConfig(request: NetworkRequest): NetworkConfig {
  const name = (request.Name ?? "").trim();
  const driver = request.Driver || "bridge";
  if (name === "") throw new GantryError("invalid", "invalid name: name is empty");
  if (PREDEFINED.has(name))
    throw new GantryError("forbidden", `operation is not permitted on predefined ${name} network`, { name });
  if (driver === "host" || driver === "null")
    throw new GantryError("forbidden", `only one instance of "${driver}" network is allowed`, { driver });
  if (driver !== "bridge")
    throw new GantryError("not-found", `plugin ${JSON.stringify(driver)} not found`, {
      driver,
    });
  refuseUnsupported(request);
  return {
    name,
    driver,
    internal: request.Internal ?? false,
    attachable: request.Attachable ?? false,
    enableIPv6: request.EnableIPv6 ?? false,
    ipam: (request.IPAM?.Config ?? []).filter(({ Subnet }) => Subnet !== undefined && Subnet !== "").map(ipamConfig),
    options: { ...request.Options },
    labels: { ...request.Labels },
  };
}

function refuseUnsupported(request: NetworkRequest): void {
  const unsupported = (field: string): GantryError =>
    new GantryError("unsupported", `network setting ${field} is not supported`, { field });
  if (request.Scope && request.Scope !== "local") throw unsupported("Scope");
  if (request.EnableIPv4 === false) throw unsupported("EnableIPv4");
  if (request.Ingress) throw unsupported("Ingress");
  if (request.ConfigOnly) throw unsupported("ConfigOnly");
  if (request.ConfigFrom?.Network) throw unsupported("ConfigFrom");
  if (request.IPAM?.Driver && request.IPAM.Driver !== "default") throw unsupported("IPAM.Driver");
  if (Object.keys(request.IPAM?.Options ?? {}).length > 0) throw unsupported("IPAM.Options");
  const own = Object.keys(request.Options ?? {}).find((name) => name.startsWith("gantry."));
  if (own !== undefined) throw unsupported(`Options[${JSON.stringify(own)}]`);
  for (const { Subnet, IPRange, Gateway } of request.IPAM?.Config ?? []) {
    if (!Subnet && (IPRange || Gateway))
      throw new GantryError("invalid", "invalid network config: an IPAM configuration needs a subnet", {
        field: "IPAM",
      });
  }
}

type IpamRequest = NonNullable<NonNullable<NetworkRequest["IPAM"]>["Config"]>[number];

function ipamConfig({ Subnet = "", IPRange, Gateway, AuxiliaryAddresses }: IpamRequest): NetworkConfig["ipam"][number] {
  return {
    subnet: Subnet,
    ...(IPRange && { ipRange: IPRange }),
    ...(Gateway && { gateway: Gateway }),
    ...(AuxiliaryAddresses && { auxAddresses: { ...AuxiliaryAddresses } }),
  };
}
