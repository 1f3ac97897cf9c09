import { join } from "node:path";
import type { Readable } from "node:stream";
import { mkdir, rm } from "node:fs/promises";
import { GantryError } from "#base/errors.ts";
import type { Clock } from "#base/clock.ts";
import type { Logger } from "#base/logger.ts";
import type { Engine } from "#containers/engine.ts";
import type { ImageStore } from "#images/image-store.ts";
import { parseDockerfile } from "#formats/dockerfile.ts";
import { openContext, readDockerfile } from "./build-context.ts";
import { buildStages } from "./build-stages.ts";
import { openStepCache } from "./step-cache.ts";
import type { BuildOptions, BuildReport, BuildRun } from "./types.ts";
import { unpacked } from "./decompress.ts";

/** Builds images of Dockerfiles on the content store that containers run from. */
export interface Builder {
  /**
   * Builds a context (a tar: plain, gzip or zstd) and returns the image's id. Progress is Docker's classic stream. Throws `invalid` for a faulty
   * Dockerfile or a failed step (`exitCode` and `line` in the details), `cancelled` when the signal aborts.
   */
  build(context: Readable, options: BuildOptions, report: BuildReport): Promise<string>;
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
}

export async function openBuilder({ engine, images, clock, logger, directory }: BuilderOptions): Promise<Builder> {
  const cacheMounts = join(directory, "mounts");
  const cache = await openStepCache(join(directory, "steps"));
  return {
    isStep: cache.has,
    steps: cache.imageIds,
    async build(archive, options, report) {
      await mkdir(cacheMounts, { recursive: true, mode: 0o700 });
      const context = await openContext(await unpacked(archive), join(directory, "contexts"));
      try {
        const file = parseDockerfile(readDockerfile(context, options.dockerfile));
        const run: BuildRun = {
          engine,
          images,
          clock,
          logger,
          cache,
          context,
          cacheMounts,
          options,
          report,
          created: createdAt(options, clock),
          escape: file.escape,
        };
        return await buildStages(run, file);
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

/** Newest first, so that a step goes before the one it stands on; what a tag or a container holds stays. */
async function removeSteps(
  images: ImageStore,
  steps: readonly string[],
): Promise<{ deleted: string[]; reclaimedBytes: number }> {
  const wanted = new Set(steps);
  const { removed, reclaimedBytes } = await images.prune({ dangling: true, where: ({ id }) => wanted.has(id) });
  return { deleted: removed.flatMap(({ Deleted }) => (Deleted === undefined ? [] : [Deleted])), reclaimedBytes };
}

/** SOURCE_DATE_EPOCH makes builds repeatable (reproducible-builds.org). */
function createdAt({ buildArgs }: BuildOptions, clock: Clock): string {
  const epoch = buildArgs.get("SOURCE_DATE_EPOCH");
  if (epoch === undefined || epoch === "") return new Date(clock.now()).toISOString();
  if (!/^\d{1,12}$/.test(epoch)) throw new GantryError("invalid", `invalid SOURCE_DATE_EPOCH: ${epoch}`);
  return new Date(Number(epoch) * 1000).toISOString();
}
