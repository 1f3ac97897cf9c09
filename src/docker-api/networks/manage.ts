import { GantryError } from "#base/errors.ts";
import { endpointSettings } from "#formats/docker-config.ts";
import { flag, object, text } from "#formats/docker-json.ts";
import { matchesPruneLabels, parseFilters } from "#formats/docker-filters.ts";
import type { Deps } from "../deps.ts";
import { attachmentOf } from "../containers/create/networks.ts";
import { pruneUntil } from "../containers/prune.ts";
import { jsonBody, param, type Handler } from "../http/call.ts";
import { empty, json } from "../http/reply.ts";
import { PREDEFINED } from "./predefined.ts";
import { getNetwork, visibleNetworks } from "./read.ts";
import { checkStaticAddresses } from "./static-addresses.ts";

const connectRequest = object({ Container: text, EndpointConfig: endpointSettings });
const disconnectRequest = object({ Container: text, Force: flag });

/** DELETE /networks/{name}. */
export function removeNetworkHandler(deps: Deps): Handler {
  return async (call) => {
    const network = getNetwork(deps, param(call));
    if (PREDEFINED.has(network.name)) {
      throw new GantryError("forbidden", `${network.name} is a pre-defined network and cannot be removed`, {
        network: network.name,
      });
    }
    const users = deps.networks.endpoints({ networkId: network.id });
    if (users.length > 0) {
      const names = users.map(
        ({ owner, id }) =>
          `name:${JSON.stringify(deps.engine.find(owner)?.name ?? owner)} id:${JSON.stringify(id.slice(0, 12))}`,
      );
      const reason = `network ${network.name} has active endpoints (${names.join(", ")})`;
      throw new GantryError("forbidden", `error while removing network: ${reason}`, { network: network.name });
    }
    await deps.networks.remove(network.id);
    deps.journal.record("network", "destroy", network.id, { name: network.name, type: network.driver });
    empty(call.response);
  };
}

/** POST /networks/{name}/connect. */
export function connectHandler(deps: Deps): Handler {
  return async (call) => {
    const request = await jsonBody(call, connectRequest);
    const container = deps.engine.get(request.Container ?? "");
    const network = getNetwork(deps, param(call));
    const { kind } = container.config.namespaces.network;
    if (kind === "host")
      throw new GantryError(
        "forbidden",
        "container cannot be disconnected from host network or connected to host network",
      );
    if (kind === "container") {
      throw new GantryError(
        "invalid",
        "container sharing network namespace with another container or host cannot be connected to any other network",
      );
    }
    if (network.name === "host")
      throw new GantryError(
        "forbidden",
        "cannot connect container to host network - container must be created in host network mode",
      );
    if (network.name === "none")
      throw new GantryError(
        "invalid",
        "container cannot be connected to multiple networks with one of the networks in private (none) mode",
      );
    const attachment = attachmentOf(network.name, request.EndpointConfig ?? {});
    checkStaticAddresses(network, attachment);
    await deps.engine.connect(container.id, { ...attachment, ports: [] });
    empty(call.response, 200);
  };
}

/** POST /networks/{name}/disconnect. */
export function disconnectHandler(deps: Deps): Handler {
  return async (call) => {
    const request = await jsonBody(call, disconnectRequest);
    const network = getNetwork(deps, param(call));
    const reference = request.Container ?? "";
    // The container may be gone, and its endpoint left: that is what `force` is for.
    if (request.Force && !deps.engine.find(reference))
      throw new GantryError("not-found", `endpoint ${reference} not found`, { container: reference });
    const container = deps.engine.get(reference);
    await deps.engine.disconnect(container.id, network.name, request.Force ?? false);
    empty(call.response, 200);
  };
}

/** POST /networks/prune: user-defined networks that no container is on. */
export function pruneNetworksHandler(deps: Deps): Handler {
  return async ({ query, response }) => {
    const filters = parseFilters(query.text("filters"), ["until", "label", "label!"]);
    const until = pruneUntil(filters, deps.clock.now());
    const configured = new Set(
      deps.engine.list().flatMap(({ config }) => config.networks.map((each) => deps.networks.find(each.network)?.id)),
    );
    const deleted: string[] = [];
    for (const network of visibleNetworks(deps)) {
      if (PREDEFINED.has(network.name) || configured.has(network.id) || network.createdAt >= until) continue;
      if (!matchesPruneLabels(filters, network.labels) || deps.networks.endpoints({ networkId: network.id }).length > 0)
        continue;
      await deps.networks.remove(network.id);
      deps.journal.record("network", "destroy", network.id, { name: network.name, type: network.driver });
      deleted.push(network.name);
    }
    deps.journal.record("network", "prune", "", { reclaimed: "0" });
    json(response, 200, { NetworksDeleted: deleted.length > 0 ? deleted : null });
  };
}
