import { GantryError } from "#base/errors.ts";
import {
  booleanFilter,
  matchesExactly,
  matchesLabels,
  matchesPattern,
  parseFilters,
  type Filters,
} from "#formats/docker-filters.ts";
import type { Network } from "#network/networks.ts";
import { OPTION_HIDDEN } from "#network/pod-network.ts";
import type { Deps } from "../deps.ts";
import { param, type Handler } from "../http/call.ts";
import { json } from "../http/reply.ts";
import { networkDocument } from "./documents.ts";
import { PREDEFINED } from "./predefined.ts";

const FILTERS = ["dangling", "driver", "id", "label", "name", "scope", "type"];

/** GET /networks. */
export function listNetworksHandler(deps: Deps): Handler {
  return async ({ query, response }) => {
    const filters = parseFilters(query.text("filters"), FILTERS);
    const matches = networkMatcher(deps, filters);
    const find = deps.engine.find.bind(deps.engine);
    json(
      response,
      200,
      visibleNetworks(deps)
        .filter(matches)
        .map((network) => networkDocument(network, [], find)),
    );
  };
}

/** Every network but Gantry's own for pods. */
export function visibleNetworks(deps: Deps): Network[] {
  return deps.networks.list().filter(({ options }) => options[OPTION_HIDDEN] !== "true");
}

function networkMatcher(deps: Deps, filters: Filters): (network: Network) => boolean {
  const dangling = filters.has("dangling") ? booleanFilter(filters, "dangling", false) : undefined;
  const type = filters.get("type")?.find((value) => value !== "custom" && value !== "builtin");
  if (type !== undefined) throw new GantryError("invalid", `invalid filter: 'type'='${type}'`);
  return (network) =>
    matchesPattern(filters, "name", network.name) &&
    matchesPattern(filters, "id", network.id) &&
    matchesExactly(filters, "driver", network.driver) &&
    matchesExactly(filters, "scope", "local") &&
    matchesExactly(filters, "type", PREDEFINED.has(network.name) ? "builtin" : "custom") &&
    matchesLabels(filters, "label", network.labels) &&
    (dangling === undefined ||
      (!PREDEFINED.has(network.name) &&
        (deps.networks.endpoints({ networkId: network.id }).length === 0) === dangling));
}

/** GET /networks/{name}. */
export function inspectNetworkHandler(deps: Deps): Handler {
  return async (call) => {
    const scope = call.query.text("scope");
    const network = getNetwork(deps, param(call));
    if (scope !== "" && scope !== "local") throw notFound(param(call));
    const endpoints = deps.networks.endpoints({ networkId: network.id });
    json(call.response, 200, networkDocument(network, endpoints, deps.engine.find.bind(deps.engine)));
  };
}

/** Throws `not-found` in Docker's words. */
export function getNetwork(deps: Deps, reference: string): Network {
  const network = deps.networks.find(reference);
  if (!network) throw notFound(reference);
  return network;
}

function notFound(reference: string): GantryError {
  return new GantryError("not-found", `network ${reference} not found`, { network: reference });
}
