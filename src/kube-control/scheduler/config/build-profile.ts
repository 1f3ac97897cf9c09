import { GantryError } from "#base/errors.ts";
import type { Profile, WeightedScore } from "../framework/profile.ts";
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
    const args = config.pluginConfig?.[name] ?? {};
    const factory = REGISTRY[name];
    const built = factory ? factory(parts, args as never) : more[name]?.(args);
    if (!built) throw new GantryError("invalid", `scheduler configuration: plugin "${name}" does not exist`);
    made.set(name, built);
    return built;
  };
  const at = (point: ExtensionPoint): { plugin: Plugin; weight: number }[] =>
    enabledAt(config, point).map(({ name, weight }) => ({ plugin: plugin(name), weight }));
  const with_ = <K extends keyof Plugin>(point: ExtensionPoint, member: K): (Plugin & Required<Pick<Plugin, K>>)[] =>
    at(point).flatMap((each) => (hasMember(each.plugin, member) ? [each.plugin] : []));
  return {
    schedulerName: config.schedulerName,
    percentageOfNodesToScore: config.percentageOfNodesToScore ?? 100,
    preEnqueues: with_("preEnqueue", "preEnqueue"),
    filters: with_("filter", "preFilter"),
    postFilters: with_("postFilter", "postFilter"),
    scores: at("score").flatMap(({ plugin: each, weight }): WeightedScore[] =>
      hasMember(each, "preScore") ? [{ plugin: each, weight: weight || 1 }] : [],
    ),
    reserves: with_("reserve", "reserve").flatMap((each) => (hasMember(each, "unreserve") ? [each] : [])),
    permits: with_("permit", "permit"),
    binds: uniquePlugins([...with_("preBind", "preBind"), ...with_("bind", "bind"), ...with_("postBind", "postBind")]),
  };
}

function hasMember<K extends keyof Plugin>(plugin: Plugin, member: K): plugin is Plugin & Required<Pick<Plugin, K>> {
  return plugin[member] !== undefined;
}

function uniquePlugins(plugins: readonly Plugin[]): Plugin[] {
  return Array.from(new Set(plugins));
}

/** The plugins of an extension point in order: the defaults that are not disabled, then those enabled; weights of the point win over multiPoint's. */
function enabledAt(config: ProfileConfig, point: ExtensionPoint): { name: string; weight: number }[] {
  const multi = merge(
    DEFAULT_PLUGINS.map(([name, weight]) => ({ name, weight })),
    config.plugins?.multiPoint,
  );
  return merge(multi, config.plugins?.[point]);
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
