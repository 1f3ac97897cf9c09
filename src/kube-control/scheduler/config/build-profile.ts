import { GantryError } from "#base/errors.ts";
import type { Profile, WeightedScore } from "../framework/profile.ts";
import { checkArgs } from "./args.ts";
import { DEFAULT_PLUGINS, REGISTRY, type Plugin, type PluginParts } from "./registry.ts";

/** Plugins to add and to leave out at one extension point (KubeSchedulerConfiguration, pluginSet). `*` leaves out all defaults. */
export interface PluginSet {
  readonly enabled?: readonly { readonly name: string; readonly weight?: number }[];
  readonly disabled?: readonly { readonly name: string }[];
}

export const EXTENSION_POINTS = [
  "preEnqueue",
  "queueSort",
  "preFilter",
  "filter",
  "postFilter",
  "preScore",
  "score",
  "reserve",
  "permit",
  "preBind",
  "bind",
  "postBind",
] as const;
export type ExtensionPoint = (typeof EXTENSION_POINTS)[number];

/** One entry of `profiles`. */
export interface ProfileConfig {
  readonly schedulerName: string;
  readonly percentageOfNodesToScore?: number;
  readonly plugins?: Readonly<Partial<Record<ExtensionPoint | "multiPoint", PluginSet>>>;
  /** Arguments by plugin name. */
  readonly pluginConfig?: Readonly<Record<string, object>>;
}

/** Builds a profile's plugins. Throws `invalid` for a plugin that does not exist. `more`: plugins that are not Gantry's own, by name. */
export function buildProfile(
  config: ProfileConfig,
  parts: PluginParts,
  more: Readonly<Record<string, (args: object) => Plugin>> = {},
): Profile {
  const made = new Map<string, Plugin>();
  const plugin = (name: string): Plugin => {
    const known = made.get(name);
    if (known) return known;
    const factory = REGISTRY[name];
    const given = config.pluginConfig?.[name] ?? {};
    const args = factory ? checkArgs(name, given) : given;
    const built = factory ? factory(parts, args as never) : more[name]?.(args);
    if (!built) throw invalid(`plugin "${name}" does not exist`);
    made.set(name, built);
    return built;
  };
  const at = (point: ExtensionPoint): { plugin: Plugin; weight: number }[] =>
    enabledAt(config, point).map(({ name, weight }) => ({ plugin: plugin(name), weight }));
  for (const name of Object.keys(config.pluginConfig ?? {})) {
    if (!REGISTRY[name] && !more[name]) throw invalid(`pluginConfig: plugin "${name}" does not exist`);
  }
  const explicitly = <K extends keyof Plugin>(
    point: ExtensionPoint,
    member: K,
  ): (Plugin & Required<Pick<Plugin, K>>)[] =>
    (config.plugins?.[point]?.enabled ?? []).flatMap(({ name }) => {
      const each = plugin(name);
      return hasMember(each, member) ? [each] : [];
    });
  const with_ = <K extends keyof Plugin>(point: ExtensionPoint, member: K): (Plugin & Required<Pick<Plugin, K>>)[] =>
    at(point).flatMap((each) => (hasMember(each.plugin, member) ? [each.plugin] : []));
  const queueSorts = with_("queueSort", "before");
  const [queueSort] = queueSorts;
  if (!queueSort || queueSorts.length > 1) {
    const names = queueSorts.map(({ name }) => name).join(", ") || "none";
    throw invalid(`profile "${config.schedulerName}": exactly one queue sort plugin is needed, not ${names}`);
  }
  const binds = with_("bind", "bind");
  if (binds.length === 0) throw invalid(`profile "${config.schedulerName}": at least one bind plugin is needed`);
  return {
    schedulerName: config.schedulerName,
    queueSort,
    percentageOfNodesToScore: config.percentageOfNodesToScore ?? 100,
    preEnqueues: with_("preEnqueue", "preEnqueue"),
    // PreFilter and Filter are one here; a plugin of PreFilter alone is one that is enabled there.
    filters: uniquePlugins([...with_("filter", "preFilter"), ...explicitly("preFilter", "preFilter")]),
    postFilters: with_("postFilter", "postFilter"),
    scores: at("score").flatMap(({ plugin: each, weight }): WeightedScore[] =>
      hasMember(each, "preScore") ? [{ plugin: each, weight: weight || 1 }] : [],
    ),
    reserves: with_("reserve", "reserve").flatMap((each) => (hasMember(each, "unreserve") ? [each] : [])),
    permits: with_("permit", "permit"),
    preBinds: with_("preBind", "preBind"),
    binds,
    postBinds: with_("postBind", "postBind"),
  };
}

function invalid(message: string): GantryError {
  return new GantryError("invalid", `scheduler configuration: ${message}`);
}

function hasMember<K extends keyof Plugin>(plugin: Plugin, member: K): plugin is Plugin & Required<Pick<Plugin, K>> {
  return plugin[member] !== undefined;
}

function uniquePlugins<P extends Plugin>(plugins: readonly P[]): P[] {
  return Array.from(new Set(plugins));
}

/** The plugins of an extension point in order: the defaults that are not disabled, then those enabled; weights of the point win over multiPoint's. */
function enabledAt(config: ProfileConfig, point: ExtensionPoint): { name: string; weight: number }[] {
  const multi = merge(
    DEFAULT_PLUGINS.map(([name, weight]) => ({ name, weight })),
    config.plugins?.multiPoint,
  );
  const own = config.plugins?.[point];
  const merged = merge(multi, own);
  // What is enabled at the point itself comes first, in the order given there (framework/runtime, expandMultiPointPlugins).
  const known = new Set(multi.map(({ name }) => name));
  const first = (own?.enabled ?? []).map(({ name }) => name).filter((name) => known.has(name));
  const rank = (name: string): number => (first.includes(name) ? first.indexOf(name) : first.length);
  return merged.toSorted((a, b) => rank(a.name) - rank(b.name));
}

function merge(
  defaults: readonly { name: string; weight: number }[],
  set: PluginSet | undefined,
): { name: string; weight: number }[] {
  const disabled = new Set(set?.disabled?.map(({ name }) => name));
  const enabled = (set?.enabled ?? []).map(({ name, weight = 0 }) => ({ name, weight }));
  const replaced = new Map(enabled.map((each) => [each.name, each]));
  const kept = defaults
    .filter(({ name }) => !disabled.has("*") && !disabled.has(name))
    .map((each) => {
      const own = replaced.get(each.name);
      return own ? { name: each.name, weight: own.weight || each.weight } : each;
    });
  const names = new Set(kept.map(({ name }) => name));
  return [...kept, ...enabled.filter(({ name }) => !names.has(name))];
}
