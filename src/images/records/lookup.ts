import { GantryError } from "#base/errors.ts";
import type { Digest } from "#formats/digest.ts";
import {
  familiarString,
  parseAnyReference,
  referenceString,
  repositoryName,
  withDefaultTag,
  type ImageReference,
} from "#formats/reference.ts";
import type { Records } from "./image-records.ts";

/** How a user's word leads to an image (moby daemon/images, getImage). */
export interface Found {
  readonly id: Digest;
  /** The name that it was found by; undefined when by its id. */
  readonly reference: ImageReference | undefined;
}

/** Throws `invalid` for a malformed reference and `not-found` ("No such image: ..."), in Docker's words. */
export function lookUp(records: Records, text: string): Found {
  const any = parseAnyReference(text);
  if (any.kind === "digest") {
    if (records.images.has(any.digest)) return { id: any.digest, reference: undefined };
    throw noSuchImage(any.digest);
  }
  const reference = storedForm(any.reference);
  const named = records.references.get(referenceString(reference));
  if (named !== undefined) return { id: named, reference };
  const id = findByPrefix(records, text);
  if (id !== undefined) return { id, reference: undefined };
  throw noSuchImage(familiarString(withDefaultTag(any.reference)));
}

export function noSuchImage(name: string): GantryError {
  return new GantryError("not-found", `No such image: ${name}`);
}

/** References are kept with a tag or with a digest; of both, the digest says more (moby reference store, favorDigest). */
export function storedForm(reference: ImageReference): ImageReference {
  if (reference.digest === undefined) return withDefaultTag(reference);
  return { domain: reference.domain, path: reference.path, digest: reference.digest };
}

/** The one image whose id starts so: hexadecimal digits, with or without `sha256:`. */
function findByPrefix(records: Records, text: string): Digest | undefined {
  const hex = text.startsWith("sha256:") ? text.slice("sha256:".length) : text;
  if (!/^[a-f0-9]+$/.test(hex)) return undefined;
  const prefix = `sha256:${hex}`;
  let found: Digest | undefined;
  for (const id of records.images.keys()) {
    if (!id.startsWith(prefix)) continue;
    if (found !== undefined) return undefined;
    found = id;
  }
  return found;
}

/** True when the text names the image by its id, not by a reference. */
export function isIdPrefix(id: Digest, text: string): boolean {
  return id.startsWith(text) || id.slice(id.indexOf(":") + 1).startsWith(text);
}

/** Stored references in one repository. */
export function inRepository(records: Records, reference: ImageReference): [string, Digest][] {
  const name = repositoryName(reference);
  const entries = [...records.references].filter(
    ([text]) => text.startsWith(`${name}:`) || text.startsWith(`${name}@`),
  );
  return entries.sort(([a], [b]) => (a < b ? -1 : 1));
}
