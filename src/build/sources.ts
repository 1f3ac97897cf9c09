import { GantryError } from "#base/errors.ts";
import { hexId } from "#base/ids.ts";
import { snapshotFiles } from "#containers/container-files.ts";
import type { Dockerfile } from "#formats/dockerfile-instruction.ts";
import { baseImage } from "./base-image.ts";
import { stageIndex } from "./plan/stages.ts";
import type { BuildRun, WithSource } from "./types.ts";

/** What `--from` means in the stage `before`: a named context, an earlier stage by name or number, else an image. */
export function sourcesOf(
  run: BuildRun,
  file: Dockerfile,
  before: number,
  stageImage: (index: number) => string | undefined,
): WithSource {
  return async (name, use) => {
    const named = run.context.named.get(name);
    if (named) return use({ files: named.files, ignored: named.ignore, fromContext: true });
    const index = stageIndex(file, name, before, true);
    const imageId =
      index === undefined
        ? (await baseImage(run, namedImage(run, name) ?? name)).id
        : needStage(stageImage, index, name);
    const snapshot = await run.images.createSnapshot(`build-${hexId(undefined, 16)}`, imageId);
    const files = snapshotFiles(snapshot);
    try {
      return await use({ files, ignored: () => false, fromContext: false });
    } finally {
      files.close();
      await run.images.removeSnapshot(snapshot.id);
    }
  };
}

/** Only triggers of a base image can name a stage that the graph knows nothing of. */
function needStage(stageImage: (index: number) => string | undefined, index: number, name: string): string {
  const imageId = stageImage(index);
  if (imageId === undefined)
    throw new GantryError("unsupported", `ONBUILD with --from=${name}, a stage of this build, is not supported`, {
      name,
    });
  return imageId;
}

/** The image that a named context stands for. */
export function namedImage(run: BuildRun, name: string): string | undefined {
  const prefix = "docker-image://";
  const given = run.options.contexts?.get(name);
  return given?.startsWith(prefix) ? given.slice(prefix.length) : undefined;
}
