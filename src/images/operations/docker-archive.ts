import { GantryError } from "#base/errors.ts";
import { asObject, asString, optionalArray, optionalStrings } from "#formats/image-json.ts";
import type { ArchiveFiles } from "./archive-files.ts";

/** One image of a `docker save` archive: paths inside the archive, and names. */
export interface DockerManifestItem {
  readonly config: string;
  readonly layers: readonly string[];
  readonly repoTags: readonly string[];
}

const LIMITS = { bytes: 8 * 1024 * 1024, images: 4096, layers: 1024, tags: 4096 };

/** manifest.json of an archive; undefined when it has none. Throws `invalid` for a damaged one. */
export async function readDockerManifest(files: ArchiveFiles): Promise<readonly DockerManifestItem[] | undefined> {
  if (files.find("manifest.json") === undefined) return undefined;
  const bytes = await files.read("manifest.json", LIMITS.bytes);
  let document: unknown;
  try {
    document = JSON.parse(bytes.toString("utf8"));
  } catch (error) {
    throw new GantryError("invalid", `manifest.json is not JSON: ${(error as Error).message}`, {}, error);
  }
  const items = optionalArray(document, "manifest.json", LIMITS.images);
  if (!items) throw new GantryError("invalid", "invalid manifest, manifest cannot be null (but can be [])");
  return items.map((value, at) => {
    const what = `manifest.json[${at}]`;
    const item = asObject(value, what);
    return {
      config: asString(item["Config"], `${what} Config`),
      layers: optionalStrings(item["Layers"], `${what} Layers`, LIMITS.layers) ?? [],
      repoTags: optionalStrings(item["RepoTags"], `${what} RepoTags`, LIMITS.tags) ?? [],
    };
  });
}
