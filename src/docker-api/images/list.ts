import {
  booleanFilter,
  matchesLabels,
  matchesPruneLabels,
  parseFilters,
  type Filters,
} from "#formats/docker-filters.ts";
import { compileGlob } from "#formats/glob.ts";
import type { Image } from "#images/image-store.ts";
import { pruneUntil } from "../containers/prune.ts";
import type { Deps } from "../deps.ts";
import type { Handler } from "../http/call.ts";
import { json } from "../http/reply.ts";
import { imageSummary } from "./documents.ts";

const FILTERS = ["dangling", "label", "before", "since", "reference", "until"];

/** GET /images/json: newest first. */
export function listImagesHandler(deps: Deps): Handler {
  return async ({ query, response }) => {
    const filters = parseFilters(query.text("filters"), FILTERS);
    const count = query.flag("shared-size") ? (image: Image): number => containersOf(deps, image) : (): number => -1;
    json(
      response,
      200,
      selectImages(deps, filters, query.flag("all")).map((image) => imageSummary(image, count(image))),
    );
  };
}

function containersOf(deps: Deps, image: Image): number {
  return deps.engine.list().filter(({ config }) => config.imageId === image.id).length;
}

function selectImages(deps: Deps, filters: Filters, all: boolean): Image[] {
  const dangling = filters.has("dangling") ? booleanFilter(filters, "dangling", false) : undefined;
  const before = momentOf(deps, filters, "before");
  const since = momentOf(deps, filters, "since");
  const until = pruneUntil(filters, deps.clock.now());
  return deps.images
    .list()
    .filter((image) => all || !isIntermediate(deps, image))
    .filter((image) => dangling === undefined || (image.tags.length === 0) === dangling)
    .filter(
      ({ createdAt }) =>
        (before === undefined || createdAt < before) && (since === undefined || createdAt > since) && createdAt < until,
    )
    .filter((image) => matchesLabels(filters, "label", image.config.config?.Labels ?? {}))
    .map((image) => (filters.has("reference") ? withMatchingNames(image, filters.get("reference") ?? []) : image))
    .filter((image) => image !== undefined)
    .toSorted((a, b) => b.createdAt - a.createdAt);
}

/** What a step of a build made, and no user named. */
function isIntermediate({ builder }: Deps, { id, tags }: Image): boolean {
  return tags.length === 0 && builder.isStep(id);
}

function momentOf(deps: Deps, filters: Filters, field: "before" | "since"): number | undefined {
  const reference = filters.get(field)?.at(-1);
  return reference === undefined ? undefined : deps.images.get(reference).createdAt;
}

/** The image with only the names that match; undefined when none does. */
function withMatchingNames(image: Image, patterns: readonly string[]): Image | undefined {
  const matches = (name: string): boolean => patterns.some((pattern) => matchesReference(pattern, name));
  const tags = image.tags.filter(matches);
  const digests = image.digests.filter(matches);
  return tags.length + digests.length > 0 ? { ...image, tags, digests } : undefined;
}

/** `*` and `?` as in a shell, within a path segment, against the whole name or the name without its tag. */
export function matchesReference(pattern: string, name: string): boolean {
  const matches = compileGlob(pattern);
  return matches(name) || matches(name.replace(/(:[^:/@]+|@.+)$/, ""));
}

/** POST /images/prune: untagged images that no container uses; with `dangling=false` every image that none uses. */
export function pruneImagesHandler(deps: Deps): Handler {
  return async ({ query, response }) => {
    const filters = parseFilters(query.text("filters"), ["dangling", "label", "label!", "until"]);
    const until = pruneUntil(filters, deps.clock.now());
    const { removed, reclaimedBytes } = await deps.images.prune({
      dangling: booleanFilter(filters, "dangling", true),
      ...(Number.isFinite(until) && { until }),
      where: (image) => !isIntermediate(deps, image) && matchesPruneLabels(filters, image.config.config?.Labels ?? {}),
    });
    json(response, 200, { ImagesDeleted: removed.length > 0 ? removed : null, SpaceReclaimed: reclaimedBytes });
  };
}
