import { parseDigest } from "./digest.ts";
import type { Descriptor, ImageIndex, ImageManifest, Platform } from "./image-config.ts";
import {
  asCount,
  asObject,
  asString,
  defined,
  invalid,
  optionalArray,
  optionalString,
  optionalStringMap,
  optionalStrings,
  parseJsonObject,
  type JsonObject,
} from "./image-json.ts";
import { isIndexType, isManifestType } from "./image-media-types.ts";

/** A manifest or an index, told apart and checked. */
export type ImageDocument =
  | { readonly kind: "manifest"; readonly mediaType: string; readonly manifest: ImageManifest }
  | { readonly kind: "index"; readonly mediaType: string; readonly index: ImageIndex };

/** Bounds on what a stranger's document may ask of us. Registries refuse manifests above 4 MiB too (distribution-spec). */
export const DOCUMENT_LIMITS = {
  bytes: 4 * 1024 * 1024,
  layers: 1024,
  manifests: 1024,
  urls: 16,
  /** Indexes inside indexes, counted by whoever follows them. */
  indexDepth: 4,
} as const;

/**
 * Reads an image manifest or index. Throws `invalid` for anything else: schema 1, a document with both `layers` and
 * `manifests` (CVE-2021-41190), a malformed digest anywhere, more entries than the limits.
 * `contentType`, when given, is what its carrier called it, and must agree with what it is.
 */
export function parseImageDocument(bytes: Uint8Array, contentType?: string): ImageDocument {
  const document = parseJsonObject(bytes, "image manifest", DOCUMENT_LIMITS.bytes);
  const mediaType = optionalString(document["mediaType"], "manifest mediaType");
  const hasManifests = document["manifests"] !== undefined && document["manifests"] !== null;
  const hasLayers = ["layers", "config", "fsLayers"].some(
    (key) => document[key] !== undefined && document[key] !== null,
  );
  if (hasManifests && hasLayers) throw invalid("image manifest is ambiguous: it has both layers and manifests");
  if (document["schemaVersion"] !== 2) {
    throw invalid(`image manifest has schemaVersion ${JSON.stringify(document["schemaVersion"])}: only 2 is supported`);
  }
  if (hasManifests) {
    agree(mediaType, contentType, isIndexType, "an index");
    return { kind: "index", mediaType: mediaType ?? contentType ?? "", index: readIndex(document) };
  }
  if (!hasLayers) throw invalid("image manifest has neither layers nor manifests");
  agree(mediaType, contentType, isManifestType, "a manifest");
  return { kind: "manifest", mediaType: mediaType ?? contentType ?? "", manifest: readManifest(document) };
}

function agree(
  own: string | undefined,
  carried: string | undefined,
  fits: (type: string) => boolean,
  what: string,
): void {
  if (own !== undefined && !fits(own)) throw invalid(`media type ${own} is not that of ${what}, which the document is`);
  const known = carried !== undefined && (isIndexType(carried) || isManifestType(carried));
  if (!known) return;
  if (!fits(carried)) throw invalid(`media type ${carried} is not that of ${what}, which the document is`);
  if (own !== undefined && own !== carried)
    throw invalid(`media type ${own} of the document is not ${carried}, as it was announced`);
}

function readManifest(document: JsonObject): ImageManifest {
  const layers = optionalArray(document["layers"], "manifest layers", DOCUMENT_LIMITS.layers) ?? [];
  return defined<ImageManifest>({
    schemaVersion: 2,
    mediaType: optionalString(document["mediaType"], "manifest mediaType"),
    artifactType: optionalString(document["artifactType"], "manifest artifactType"),
    config: readDescriptor(document["config"], "manifest config"),
    layers: layers.map((layer, at) => readDescriptor(layer, `manifest layers[${at}]`)),
    subject: document["subject"] ? readDescriptor(document["subject"], "manifest subject") : undefined,
    annotations: optionalStringMap(document["annotations"], "manifest annotations"),
  });
}

function readIndex(document: JsonObject): ImageIndex {
  const manifests = optionalArray(document["manifests"], "index manifests", DOCUMENT_LIMITS.manifests) ?? [];
  return defined<ImageIndex>({
    schemaVersion: 2,
    mediaType: optionalString(document["mediaType"], "index mediaType"),
    artifactType: optionalString(document["artifactType"], "index artifactType"),
    manifests: manifests.map((manifest, at) => readDescriptor(manifest, `index manifests[${at}]`)),
    subject: document["subject"] ? readDescriptor(document["subject"], "index subject") : undefined,
    annotations: optionalStringMap(document["annotations"], "index annotations"),
  });
}

/** A content descriptor; throws `invalid` for a malformed digest, size or platform. `what` names it in the error. */
export function readDescriptor(value: unknown, what: string): Descriptor {
  const object = asObject(value, what);
  const digest = asString(object["digest"], `${what} digest`);
  try {
    parseDigest(digest);
  } catch (error) {
    throw invalid(`${what} digest ${JSON.stringify(digest.slice(0, 80))}: ${(error as Error).message}`);
  }
  return defined<Descriptor>({
    mediaType: optionalString(object["mediaType"], `${what} mediaType`) ?? "",
    digest,
    size: asCount(object["size"], `${what} size`),
    urls: optionalStrings(object["urls"], `${what} urls`, DOCUMENT_LIMITS.urls),
    annotations: optionalStringMap(object["annotations"], `${what} annotations`),
    data: optionalString(object["data"], `${what} data`),
    platform: readPlatform(object["platform"], `${what} platform`),
    artifactType: optionalString(object["artifactType"], `${what} artifactType`),
  });
}

function readPlatform(value: unknown, what: string): Platform | undefined {
  if (value === undefined || value === null) return undefined;
  const object = asObject(value, what);
  return defined<Platform>({
    architecture: optionalString(object["architecture"], `${what} architecture`) ?? "",
    os: optionalString(object["os"], `${what} os`) ?? "",
    "os.version": optionalString(object["os.version"], `${what} os.version`),
    "os.features": optionalStrings(object["os.features"], `${what} os.features`, 64),
    variant: optionalString(object["variant"], `${what} variant`),
  });
}
