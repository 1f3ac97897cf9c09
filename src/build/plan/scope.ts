import { expandWord, type Lookup } from "#formats/dockerfile-expand.ts";
import type { Platform } from "#formats/image-config.ts";

/** Build arguments that need no ARG, and that are no part of a cache key (docs.docker.com/reference/dockerfile, "Predefined ARGs"). */
const PREDEFINED = new Set([
  "HTTP_PROXY",
  "http_proxy",
  "HTTPS_PROXY",
  "https_proxy",
  "FTP_PROXY",
  "ftp_proxy",
  "NO_PROXY",
  "no_proxy",
  "ALL_PROXY",
  "all_proxy",
]);

/** The platform arguments of BuildKit: set by themselves, seen by a stage that declares them. `build` is this machine. */
export function platformArgs(target: Platform, build: Platform, targetStage: string): Map<string, string> {
  const parts = (prefix: string, { os, architecture, variant }: Platform): [string, string][] => [
    [`${prefix}PLATFORM`, [os, architecture, ...(variant ? [variant] : [])].join("/")],
    [`${prefix}OS`, os],
    [`${prefix}ARCH`, architecture],
    [`${prefix}VARIANT`, variant ?? ""],
  ];
  return new Map([...parts("TARGET", target), ...parts("BUILD", build), ["TARGETSTAGE", targetStage]]);
}

/** ARGs before the first FROM, each able to use those before it. Build arguments take their place. */
export function metaScope(
  metaArgs: readonly { name: string; value?: string }[],
  buildArgs: ReadonlyMap<string, string>,
  automatic: ReadonlyMap<string, string>,
  escape: string,
): Map<string, string> {
  const scope = new Map(automatic);
  for (const { name, value } of metaArgs) {
    const given =
      buildArgs.get(name) ?? (value === undefined ? undefined : expandWord(value, (key) => scope.get(key), escape));
    if (given !== undefined) scope.set(name, given);
  }
  return scope;
}

/** Variables of a stage as it goes along: its ENV before its ARGs. */
export interface Scope {
  /** Declares an ARG: its value is the build argument's, else its default, else that of an ARG before the first FROM. */
  declare(name: string, fallback: string | undefined): void;
  /** Value of a variable: ENV first. */
  readonly lookup: (env: readonly string[]) => Lookup;
  /** ARGs with a value, as the environment of RUN: predefined ones too. */
  runArgs(): readonly (readonly [string, string])[];
  /** Those of them that are part of a cache key. */
  cacheArgs(): readonly (readonly [string, string])[];
  /** Names that were declared. */
  readonly declared: ReadonlySet<string>;
}

export function stageScope(
  buildArgs: ReadonlyMap<string, string>,
  meta: ReadonlyMap<string, string>,
  inherited?: Scope,
): Scope {
  const values = new Map<string, string>(inherited?.cacheArgs() ?? []);
  const declared = new Set<string>(inherited?.declared ?? []);
  const predefined = [...buildArgs].filter(([name]) => PREDEFINED.has(name));
  return {
    declared,
    declare(name, fallback) {
      declared.add(name);
      const value = buildArgs.get(name) ?? fallback ?? meta.get(name);
      if (value === undefined) values.delete(name);
      else values.set(name, value);
    },
    lookup: (env) => (name) => envValue(env, name) ?? values.get(name),
    runArgs: () => [...predefined.filter(([name]) => !values.has(name)), ...values],
    cacheArgs: () => [...values].filter(([name]) => !PREDEFINED.has(name)),
  };
}

export function envValue(env: readonly string[], name: string): string | undefined {
  const line = env.find((each) => each.startsWith(`${name}=`));
  return line?.slice(name.length + 1);
}

/** Build arguments that no ARG took: Docker warns of them. */
export function unusedArgs(buildArgs: ReadonlyMap<string, string>, declared: ReadonlySet<string>): string[] {
  return [...buildArgs.keys()]
    .filter((name) => !declared.has(name) && !PREDEFINED.has(name) && name !== "SOURCE_DATE_EPOCH")
    .toSorted();
}
