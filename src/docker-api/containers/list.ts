import { GantryError } from "#base/errors.ts";
import type { Container } from "#containers/engine.ts";
import {
  booleanFilter,
  matchesExactly,
  matchesLabels,
  matchesPattern,
  parseFilters,
  type Filters,
} from "#formats/docker-filters.ts";
import { parseContainerPorts, portKey } from "#formats/docker-ports.ts";
import type { Deps } from "../deps.ts";
import type { Handler } from "../http/call.ts";
import { json } from "../http/reply.ts";
import { remembering, summaryDocument } from "./list-document.ts";
import { portSummaries } from "./network-settings.ts";
import { originOf } from "./documents.ts";
import { healthStatus } from "./state-document.ts";
import { containerSizes } from "./sizes.ts";

const FILTERS = [
  "ancestor",
  "before",
  "exited",
  "expose",
  "health",
  "id",
  "is-task",
  "isolation",
  "label",
  "name",
  "network",
  "publish",
  "since",
  "status",
  "volume",
];
const STATUSES = ["created", "running", "paused", "restarting", "removing", "exited", "dead"];
const HEALTH = ["none", "starting", "healthy", "unhealthy"];

/** GET /containers/json: newest first. */
export function listHandler(deps: Deps): Handler {
  return async ({ query, response }) => {
    const filters = parseFilters(query.text("filters"), FILTERS);
    const limit = query.integer("limit") ?? 0;
    const chosen = selectContainers(deps, filters, {
      all: query.flag("all"),
      limit,
      before: filters.get("before")?.at(-1) ?? query.text("before"),
      since: filters.get("since")?.at(-1) ?? query.text("since"),
    });
    const context = {
      imageId: remembering((reference) => deps.images.find(reference)?.id),
      findNetwork: remembering(deps.networks.find.bind(deps.networks)),
      nowMs: deps.clock.now(),
    };
    const size = query.flag("size");
    json(
      response,
      200,
      await Promise.all(
        chosen.map(async (each) =>
          summaryDocument(each, { ...context, sizes: size ? await containerSizes(deps, each) : undefined }),
        ),
      ),
    );
  };
}

interface Selection {
  readonly all: boolean;
  readonly limit: number;
  /** References of containers; "": none. */
  readonly before: string;
  readonly since: string;
}

function selectContainers(
  deps: Deps,
  filters: Filters,
  { all, limit, before, since }: Selection,
): readonly Container[] {
  checkFilters(filters);
  const beforeAt = before === "" ? undefined : deps.engine.get(before).createdAt;
  const sinceAt = since === "" ? undefined : deps.engine.get(since).createdAt;
  const everyState =
    all ||
    limit > 0 ||
    filters.has("status") ||
    filters.has("exited") ||
    beforeAt !== undefined ||
    sinceAt !== undefined;
  const matches = containerMatcher(deps, filters);
  const chosen = deps.engine
    .list()
    .filter(
      ({ state }) =>
        everyState || state.status === "running" || state.status === "paused" || state.status === "restarting",
    )
    .filter(
      ({ createdAt }) =>
        (beforeAt === undefined || createdAt < beforeAt) && (sinceAt === undefined || createdAt > sinceAt),
    )
    .filter(matches)
    .toSorted((a, b) => b.createdAt - a.createdAt);
  return limit > 0 ? chosen.slice(0, limit) : chosen;
}

function checkFilters(filters: Filters): void {
  const status = filters.get("status")?.find((value) => !STATUSES.includes(value));
  if (status !== undefined)
    throw new GantryError(
      "invalid",
      `invalid filter 'status=${status}': invalid value for state (${status}): must be one of ${STATUSES.join(", ")}`,
    );
  const health = filters.get("health")?.find((value) => !HEALTH.includes(value));
  if (health !== undefined)
    throw new GantryError(
      "invalid",
      `invalid filter 'health=${health}': invalid value for health (${health}): must be one of ${HEALTH.join(", ")}`,
    );
  const exited = filters.get("exited")?.find((value) => !/^-?\d+$/.test(value));
  if (exited !== undefined)
    throw new GantryError(
      "invalid",
      `invalid filter 'exited=${exited}': strconv.Atoi: parsing ${JSON.stringify(exited)}: invalid syntax`,
    );
  for (const field of ["publish", "expose"]) for (const spec of filters.get(field) ?? []) checkPort(field, spec);
  booleanFilter(filters, "is-task", false);
}

function checkPort(field: string, spec: string): void {
  const wrong = spec
    .replace(/\/(tcp|udp|sctp)$/i, "")
    .split("-")
    .find((port) => !/^\d{1,5}$/.test(port));
  if (wrong === undefined) return;
  const reason = `strconv.ParseUint: parsing ${JSON.stringify(wrong)}: invalid syntax`;
  throw new GantryError("invalid", `error while looking up for ${field} ${spec}: ${reason}`);
}

function containerMatcher(deps: Deps, filters: Filters): (container: Container) => boolean {
  const networkIds = (filters.get("network") ?? []).map((reference) => deps.networks.find(reference)?.id ?? reference);
  const ancestors = (filters.get("ancestor") ?? []).map((reference) => deps.images.find(reference));
  const tests: ((container: Container) => boolean)[] = [
    ({ name }) => matchesPattern(filters, "name", `/${name}`) || matchesPattern(filters, "name", name),
    ({ id }) => matchesPattern(filters, "id", id),
    ({ config }) => matchesLabels(filters, "label", config.labels),
    ({ state }) => matchesExactly(filters, "status", state.status),
    (container) => matchesExactly(filters, "health", healthStatus(container)),
    ({ state }) =>
      !filters.has("exited") ||
      (state.status === "exited" && matchesExactly(filters, "exited", String(state.exit.code))),
    (container) => networkIds.length === 0 || networkIds.some((id) => networkIdsOf(deps, container).includes(id)),
    (container) =>
      !filters.has("ancestor") ||
      ancestors.some((image) => image !== undefined && descends(deps, container, image.config.rootfs.diff_ids)),
    ({ mounts }) =>
      !filters.has("volume") ||
      mounts.some(({ name, destination }) =>
        [name, destination].some((each) => each !== undefined && matchesExactly(filters, "volume", each)),
      ),
    (container) =>
      !filters.has("publish") ||
      portSummaries(container).some(
        (port) => port.PublicPort !== undefined && asksPort(filters, "publish", port.PublicPort, port.Type),
      ),
    (container) => !filters.has("expose") || exposed(container).some((key) => asksKey(filters, "expose", key)),
    () => !filters.has("isolation") || matchesExactly(filters, "isolation", "default"),
    () => !booleanFilter(filters, "is-task", false),
  ];
  return (container) => tests.every((matches) => matches(container));
}

function networkIdsOf(deps: Deps, { config }: Container): string[] {
  const { kind } = config.namespaces.network;
  const names = kind === "host" || kind === "none" ? [kind] : config.networks.map(({ network }) => network);
  return names.map((name) => deps.networks.find(name)?.id ?? name);
}

/** A container of the image itself or of one built on its layers. */
function descends(deps: Deps, { config }: Container, layers: readonly string[]): boolean {
  const own = config.imageId === undefined ? undefined : deps.images.find(config.imageId)?.config.rootfs.diff_ids;
  return own !== undefined && layers.every((layer, index) => own[index] === layer);
}

function exposed(container: Container): string[] {
  return Object.keys((originOf(container).Config["ExposedPorts"] as object | undefined) ?? {}).flatMap((key) =>
    parseContainerPorts(key).map(portKey),
  );
}

function asksPort(filters: Filters, field: string, port: number, protocol: string): boolean {
  return asksKey(filters, field, `${port}/${protocol}`);
}

function asksKey(filters: Filters, field: string, key: string): boolean {
  return (filters.get(field) ?? []).some((spec) => parseContainerPorts(spec).some((port) => portKey(port) === key));
}
