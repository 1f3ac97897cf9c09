import { Readable } from "node:stream";
import { GantryError } from "#base/errors.ts";
import { parseDigest, type Digest } from "#formats/digest.ts";
import type { Descriptor } from "#formats/image-config.ts";
import { OCI_INDEX, OCI_MANIFEST } from "#formats/image-media-types.ts";
import {
  familiarName,
  familiarString,
  isNameOnly,
  parseAnyReference,
  parseReference,
  type ImageReference,
} from "#formats/reference.ts";
import { tarPadding, type TarEntry } from "#formats/tar-entry.ts";
import { encodeTarHeader, TAR_END } from "#formats/tar-writer.ts";
import type { Image } from "../image-store.ts";
import { inRepository, lookUp } from "../records/lookup.ts";
import { tell, type Context } from "./context.ts";

/**
 * `docker save`: an OCI layout with a manifest.json, as Docker 25 and later write it. Blobs go in as they lie here, so that
 * digests stay what they are. Throws `not-found` before anything is sent.
 */
export function saveImages(context: Context, names: readonly string[]): Readable {
  const wanted = collect(context, names);
  const lease = context.content.lease();
  for (const { image } of wanted) for (const digest of blobsOf(image)) lease.keep(digest);
  const archive = Readable.from(writeArchive(context, wanted), { objectMode: false, highWaterMark: 1024 * 1024 });
  archive.once("close", () => lease.release());
  for (const { image } of wanted) tell(context, "save", image.id, image.id);
  return archive;
}

interface Wanted {
  readonly image: Image;
  /** Names that go with it. */
  readonly references: ImageReference[];
}

/** A name without a tag stands for all tags of the repository (moby image/tarexport, parseNames). */
function collect({ records }: Context, names: readonly string[]): readonly Wanted[] {
  const wanted = new Map<Digest, Wanted>();
  const add = (id: Digest, reference?: ImageReference): void => {
    const image = records.image(id);
    if (!image) throw new GantryError("not-found", `No such image: ${id}`);
    const entry = wanted.get(id) ?? { image, references: [] };
    wanted.set(id, entry);
    if (reference?.tag === undefined) return;
    if (!entry.references.some((known) => familiarString(known) === familiarString(reference)))
      entry.references.push(reference);
  };
  for (const name of names) {
    const any = parseAnyReference(name);
    const all = any.kind === "named" && isNameOnly(any.reference) ? inRepository(records.now, any.reference) : [];
    for (const [text, id] of all) add(id, parseReference(text));
    if (all.length > 0) continue;
    const found = lookUp(records.now, name);
    add(found.id, found.reference);
  }
  return [...wanted.values()];
}

function blobsOf({ id, manifest, layers }: Image): readonly Digest[] {
  return [id, manifest.digest, ...layers.map((layer) => layer.digest)];
}

async function* writeArchive({ content }: Context, wanted: readonly Wanted[]): AsyncGenerator<Buffer> {
  for (const path of ["blobs/", "blobs/sha256/"]) yield encodeTarHeader(entry(path, 0));
  const blobs = new Set(wanted.flatMap(({ image }) => blobsOf(image)));
  for (const digest of Array.from(blobs).sort()) {
    const size = content.size(digest);
    if (size === undefined) throw new GantryError("not-found", `blob ${digest} is not here`);
    yield encodeTarHeader(entry(blobPath(digest), size));
    for await (const chunk of content.read(digest)) yield chunk as Buffer;
    yield Buffer.alloc(tarPadding(size));
  }
  const documents: [string, unknown][] = [
    ["index.json", { schemaVersion: 2, mediaType: OCI_INDEX, manifests: wanted.flatMap(indexEntries) }],
    ["manifest.json", wanted.map(manifestItem)],
    ["oci-layout", { imageLayoutVersion: "1.0.0" }],
    ["repositories", repositories(wanted)],
  ];
  for (const [path, document] of documents) {
    const bytes = Buffer.from(JSON.stringify(document));
    yield Buffer.concat([encodeTarHeader(entry(path, bytes.length)), bytes, Buffer.alloc(tarPadding(bytes.length))]);
  }
  yield TAR_END;
}

function blobPath(digest: Digest): string {
  const { algorithm, hex } = parseDigest(digest);
  return `blobs/${algorithm}/${hex}`;
}

function entry(path: string, size: number): TarEntry {
  const type = path.endsWith("/") ? "directory" : "file";
  return {
    path,
    type,
    mode: type === "directory" ? 0o755 : 0o644,
    uid: 0,
    gid: 0,
    size,
    modifiedNanos: 0n,
    linkPath: "",
    device: { major: 0, minor: 0 },
    xattrs: new Map(),
  };
}

/** One for each name, as Docker has it; one without a name for an image that has none. */
function indexEntries({ image, references }: Wanted): Descriptor[] {
  const { os, architecture, variant } = image.config;
  const platform = { architecture, os, ...(variant === undefined ? {} : { variant }) };
  const descriptor: Descriptor = { ...image.manifest, mediaType: image.manifest.mediaType || OCI_MANIFEST, platform };
  if (references.length === 0) return [descriptor];
  return references.map((reference) => ({
    ...descriptor,
    annotations: {
      "io.containerd.image.name": `${reference.domain}/${reference.path}:${reference.tag}`,
      "org.opencontainers.image.ref.name": reference.tag ?? "",
    },
  }));
}

function manifestItem({ image, references }: Wanted): object {
  return {
    Config: blobPath(image.id),
    RepoTags: references.length > 0 ? references.map(familiarString) : null,
    Layers: image.layers.map((layer) => blobPath(layer.digest)),
  };
}

/** The oldest form: repository, tag, top layer. */
function repositories(wanted: readonly Wanted[]): Record<string, Record<string, string>> {
  const result: Record<string, Record<string, string>> = {};
  for (const { image, references } of wanted) {
    const top = image.layers.at(-1)?.digest;
    for (const reference of references) {
      if (top !== undefined) (result[familiarName(reference)] ??= {})[reference.tag ?? ""] = parseDigest(top).hex;
    }
  }
  return result;
}
