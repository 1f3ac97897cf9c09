import { GantryError } from "#base/errors.ts";
import type { Platform } from "#formats/image-config.ts";
import { formatPlatform, platformRank } from "#formats/image-platform.ts";
import type { Image, RegistryAuth } from "#images/image-store.ts";
import type { BuildRun } from "./types.ts";

/** An image that a build stands on or copies from: the one that is here, else (or with `--pull`) the registry's. */
export async function baseImage(
  run: BuildRun,
  reference: string,
  options: { readonly line?: number; readonly platform?: Platform } = {},
): Promise<Image> {
  const { platform } = options;
  const found = run.options.pull ? undefined : run.images.find(reference);
  if (found && (!platform || platformRank(platform, found.config) !== undefined)) return found;
  const auth = authOf(run.options.auths, reference);
  try {
    return await run.images.pull(reference, {
      report: run.report.pull,
      ...(platform && { platform }),
      ...(auth && { auth }),
      signal: run.signal,
    });
  } catch (error) {
    if (!(error instanceof GantryError)) throw error;
    const other = found && platform ? ` (the image that is here is for ${formatPlatform(found.config)})` : "";
    const line = options.line === undefined ? {} : { line: options.line };
    throw new GantryError(error.code, `${error.message}${other}`, { ...error.details, ...line }, error);
  }
}

/** The credentials for a reference, by its registry's host; Docker Hub has a key of its own. */
export function authOf(auths: ReadonlyMap<string, RegistryAuth>, reference: string): RegistryAuth | undefined {
  const [first = "", ...rest] = reference.split("/");
  const isHost = rest.length > 0 && (first.includes(".") || first.includes(":") || first === "localhost");
  return auths.get(isHost ? first : "https://index.docker.io/v1/");
}
