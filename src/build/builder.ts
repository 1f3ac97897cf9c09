import { join } from "node:path";
import { mkdir, rm } from "node:fs/promises";
import { GantryError } from "#base/errors.ts";
import type { Clock } from "#base/clock.ts";
import type { Logger } from "#base/logger.ts";
import type { Engine } from "#containers/engine.ts";
import type { ImageStore } from "#images/image-store.ts";
import type { BuildWarning } from "#formats/build-events.ts";
import { parseDockerfile } from "#formats/dockerfile.ts";
import type { Dockerfile } from "#formats/dockerfile-instruction.ts";
import { hostPlatform, normalizePlatform } from "#formats/image-platform.ts";
import { openContext, readDockerfile } from "./build-context.ts";
import { buildStages, metaOf } from "./build-stages.ts";
import { checkDockerfile, type CheckInput } from "./check-dockerfile.ts";
import { removeLeftovers } from "./leftovers.ts";
import { errorLines, sourceExcerpt } from "./source-excerpt.ts";
import { openStepCache } from "./step-cache.ts";
import type { BuildOptions, BuildReport, BuildRun, BuildSource } from "./types.ts";

/** Builds images of Dockerfiles on the content store that containers run from. */
export interface Builder {
  /**
   * Builds a context and returns the image's id, "" when it was only to be checked. Throws `invalid` for a faulty Dockerfile or a failed step, with
   * `exitCode`, `line` and `excerpt` (the Dockerfile's lines, to be shown) in the details, `cancelled` when the signal aborts.
   */
  build(source: BuildSource, options: BuildOptions, report: BuildReport): Promise<string>;
  /** Whether an image was made by a step, so that it is no user's unless it has a tag. */
  isStep(imageId: string): boolean;
  /** Removes the images of steps that nothing stands on, and RUN's cache mounts. Returns what was removed. */
  prune(): Promise<{ readonly deleted: readonly string[]; readonly reclaimedBytes: number }>;
  steps(): readonly string[];
}

export interface BuilderOptions {
  readonly engine: Engine;
  readonly images: ImageStore;
  readonly clock: Clock;
  readonly logger: Logger;
  /** A directory of the builder's own. */
  readonly directory: string;
  /** A directory for what must not last, in memory where the machine has that. */
  readonly runDirectory: string;
}

export async function openBuilder(options: BuilderOptions): Promise<Builder> {
  const { engine, images, clock, logger, directory } = options;
  const cacheMounts = join(directory, "mounts");
  const folders = { contexts: join(directory, "contexts"), secrets: join(options.runDirectory, "secrets") };
  // What a killed process left behind.
  for (const folder of Object.values(folders)) await rm(folder, { recursive: true, force: true });
  await removeLeftovers(engine, images);
  const cache = await openStepCache(join(directory, "steps"));
  return {
    isStep: cache.has,
    steps: cache.imageIds,
    async build(source, build, report) {
      await mkdir(cacheMounts, { recursive: true, mode: 0o700 });
      const context = await openContext(source, folders, build);
      try {
        const text = build.dockerfileText ?? readDockerfile(context, build.dockerfile);
        return await withExcerpt(build.dockerfile, text, async () => {
          const file = parseDockerfile(text);
          const settings = { options: build, platform: normalizePlatform(build.platform ?? hostPlatform()) };
          const baseEnv = (name: string): readonly string[] | undefined =>
            images.find(name)?.config.config?.Env ?? (images.find(name) ? [] : undefined);
          check(file, { text, ignore: context.ignore, baseEnv }, settings, report);
          if (build.checkOnly) return "";
          const run: Omit<BuildRun, "report"> = {
            engine,
            images,
            clock,
            logger,
            cache,
            context,
            cacheMounts,
            ...settings,
            escape: file.escape,
            ...times(build, clock),
            signal: build.signal ?? new AbortController().signal,
          };
          return buildStages(run, file, report);
        });
      } finally {
        await context.close();
      }
    },
    async prune() {
      const steps = cache.imageIds();
      await cache.clear();
      await rm(cacheMounts, { recursive: true, force: true });
      return removeSteps(images, steps);
    },
  };
}

/** Tells what checks say; with `# check=error=true` that is an error. */
function check(
  file: Dockerfile,
  input: Pick<CheckInput, "text" | "ignore" | "baseEnv">,
  settings: Pick<BuildRun, "options" | "platform">,
  report: BuildReport,
): void {
  const { warnings, isError } = checkDockerfile(file, {
    ...input,
    meta: metaOf(settings, file),
    buildArgs: settings.options.buildArgs,
  });
  for (const warning of warnings) report({ kind: "warning", warning });
  if (!isError || warnings.length === 0) return;
  const rules = [...new Set(warnings.map(({ rule }: BuildWarning) => rule))].toSorted().join(", ");
  const line = warnings[0]?.line ?? 0;
  throw new GantryError("invalid", `lint violation found for rules: ${rules}`, { line });
}

/** Adds the Dockerfile's lines to an error that is about them. */
async function withExcerpt<T>(name: string, text: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    const lines = errorLines(error);
    if (!lines || !(error instanceof GantryError)) throw error;
    const excerpt = sourceExcerpt(name, text, lines);
    throw new GantryError(error.code, error.message, { ...error.details, excerpt }, error);
  }
}

/** Newest first, so that a step goes before the one it stands on; what a tag or a container holds stays. */
async function removeSteps(
  images: ImageStore,
  steps: readonly string[],
): Promise<{ deleted: string[]; reclaimedBytes: number }> {
  const wanted = new Set(steps);
  const { removed, reclaimedBytes } = await images.prune({ dangling: true, where: ({ id }) => wanted.has(id) });
  return { deleted: removed.flatMap(({ Deleted }) => (Deleted === undefined ? [] : [Deleted])), reclaimedBytes };
}

/** SOURCE_DATE_EPOCH makes builds repeatable (reproducible-builds.org): images are of that time, and no file in them is newer. */
function times({ buildArgs }: BuildOptions, clock: Clock): Pick<BuildRun, "created" | "newestSeconds"> {
  const epoch = buildArgs.get("SOURCE_DATE_EPOCH");
  if (epoch === undefined || epoch === "")
    return { created: new Date(clock.now()).toISOString(), newestSeconds: undefined };
  if (!/^\d{1,12}$/.test(epoch)) throw new GantryError("invalid", `invalid SOURCE_DATE_EPOCH: ${epoch}`);
  return { created: new Date(Number(epoch) * 1000).toISOString(), newestSeconds: Number(epoch) };
}
