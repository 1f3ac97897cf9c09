import { isGantryError } from "#base/errors.ts";
import type { Image } from "#images/image-store.ts";
import { authOf } from "./base-image.ts";
import { imageConfigOf, type StageState } from "./stage-state.ts";
import type { BuildRun } from "./types.ts";

/** Images of one build that are looked at, at most. */
const MAX_IMAGES = 100;

/** Images of `--cache-from` by run: fetched once. */
const fetched = new WeakMap<object, Promise<readonly Image[]>>();

/**
 * The image of a step with this key, made out of the lower layers of an image of `--cache-from`: what the step once made, with its
 * time. undefined when none has it.
 */
export async function findInImages(run: BuildRun, key: string, next: StageState): Promise<string | undefined> {
  if (!run.options.cacheFrom?.length) return undefined;
  const images = fetched.get(run.options) ?? fetchImages(run);
  fetched.set(run.options, images);
  for (const image of await images) {
    const at = image.config["gantry.steps"]?.indexOf(key) ?? -1;
    const history = image.config.history?.slice(0, at + 1);
    if (at < 0 || !history) continue;
    const { os, architecture, variant } = image.config;
    const config = imageConfigOf(
      { ...next, history, steps: image.config["gantry.steps"]?.slice(0, at + 1) ?? [] },
      {
        created: history.at(-1)?.created ?? run.created,
        os,
        architecture,
        ...(variant !== undefined && { variant }),
        diffIds: [],
      },
    );
    return run.images.deriveImage(config, image.id, history.filter(({ empty_layer }) => !empty_layer).length);
  }
  return undefined;
}

/** One that cannot be had is passed over, as Docker does. */
async function fetchImages(run: BuildRun): Promise<readonly Image[]> {
  const images: Image[] = [];
  for (const reference of (run.options.cacheFrom ?? []).slice(0, MAX_IMAGES)) {
    const image = run.images.find(reference) ?? (await pullQuietly(run, reference));
    if (image) images.push(image);
  }
  return images;
}

async function pullQuietly(run: BuildRun, reference: string): Promise<Image | undefined> {
  const auth = authOf(run.options.auths, reference);
  try {
    return await run.images.pull(reference, { ...(auth && { auth }), signal: run.signal });
  } catch (error) {
    if (isGantryError(error, "cancelled") || !isGantryError(error)) throw error;
    run.report.log(`cache image ${reference} cannot be had: ${error.message}\n`);
    return undefined;
  }
}
