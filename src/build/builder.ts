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
  /** Forgets the cache of steps and of RUN's cache mounts. */
  prune(): Promise<void>;
}

export interface BuilderOptions {
  readonly engine: Engine;
  readonly images: ImageStore;
  readonly clock: Clock;
  readonly logger: Logger;
  /** A directory of the builder's own. */
  readonly directory: string;
}

export function createBuilder({ engine, images, clock, logger, directory }: BuilderOptions): Builder {
  const cacheMounts = join(directory, "mounts");
  const steps = openStepCache(join(directory, "steps"));
  return {
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
          cache: await steps,
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
      await (await steps).clear();
      await rm(cacheMounts, { recursive: true, force: true });
    },
  };
}

/** SOURCE_DATE_EPOCH makes builds repeatable (reproducible-builds.org). */
function createdAt({ buildArgs }: BuildOptions, clock: Clock): string {
  const epoch = buildArgs.get("SOURCE_DATE_EPOCH");
  if (epoch === undefined || epoch === "") return new Date(clock.now()).toISOString();
  if (!/^\d{1,12}$/.test(epoch)) throw new GantryError("invalid", `invalid SOURCE_DATE_EPOCH: ${epoch}`);
  return new Date(Number(epoch) * 1000).toISOString();
}
