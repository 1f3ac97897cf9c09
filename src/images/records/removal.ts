import { GantryError } from "#base/errors.ts";
import { shortId, type Digest } from "#formats/digest.ts";
import {
  familiarString,
  parseReference,
  referenceString,
  repositoryName,
  type ImageReference,
} from "#formats/reference.ts";
import type { ImageUser } from "../image-store.ts";
import type { Draft } from "./image-records.ts";
import { isIdPrefix, lookUp, storedForm } from "./lookup.ts";

/** What a removal did to the records, in Docker's order. */
export type Removal =
  | { readonly kind: "untagged"; readonly id: Digest; readonly name: string }
  | { readonly kind: "deleted"; readonly id: Digest; readonly top: Digest | undefined };

export interface RemovalOptions {
  readonly force: boolean;
  /** Remove untagged parents, too. */
  readonly prune: boolean;
  readonly users: (id: Digest) => readonly ImageUser[];
}

/**
 * `docker rmi`, by the rules of moby's daemon/images/image_delete.go: a name is taken away; the image goes when no name is left
 * and nothing needs it. Changes the draft. Throws `not-found`, or `conflict` in Docker's words.
 */
export function removeImage(draft: Draft, text: string, options: RemovalOptions): Removal[] {
  const { id } = lookUp(draft, text);
  const removals: Removal[] = [];
  const before = referencesOf(draft, id);
  if (isIdPrefix(id, text)) {
    if (isSingleReference(before)) {
      check(draft, id, { ...options, references: false });
      for (const reference of before) untag(draft, id, reference, removals);
    }
    deleteImage(draft, id, options, false, removals);
    return removals;
  }
  const [user] = options.users(id);
  if (!options.force && isSingleReference(before) && user) {
    const message = `conflict: unable to remove repository reference ${JSON.stringify(text)} (must force) - container ${shortId(user.containerId)} is using its referenced image ${shortId(id)}`;
    throw new GantryError("conflict", message);
  }
  untagByName(draft, id, storedForm(parseReference(text)), removals);
  if (referencesOf(draft, id).length === 0) deleteImage(draft, id, options, true, removals);
  return removals;
}

/** With a repository's last tag its digests go, too. */
function untagByName(draft: Draft, id: Digest, reference: ImageReference, removals: Removal[]): void {
  untag(draft, id, reference, removals);
  if (reference.digest !== undefined) return;
  const left = referencesOf(draft, id).filter((other) => repositoryName(other) === repositoryName(reference));
  if (left.some((other) => other.digest === undefined)) return;
  for (const digest of left) untag(draft, id, digest, removals);
}

function referencesOf(draft: Draft, id: Digest): ImageReference[] {
  const texts = [...draft.references].filter(([, owner]) => owner === id).map(([text]) => text);
  return texts.sort().map(parseReference);
}

function untag(draft: Draft, id: Digest, reference: ImageReference, removals: Removal[]): void {
  draft.references.delete(referenceString(reference));
  removals.push({ kind: "untagged", id, name: familiarString(reference) });
}

/** One tag at most, and all names in one repository. */
function isSingleReference(references: readonly ImageReference[]): boolean {
  if (references.length <= 1) return references.length === 1;
  const tagged = references.filter((reference) => reference.digest === undefined);
  if (tagged.length > 1) return false;
  const single = tagged[0] ?? references[0];
  const repositories = new Set(references.filter((reference) => reference.digest !== undefined).map(repositoryName));
  return single !== undefined && repositories.size === 1 && repositories.has(repositoryName(single));
}

interface CheckOptions {
  readonly force: boolean;
  /** Names of the image are a conflict. */
  readonly references: boolean;
  readonly users: (id: Digest) => readonly ImageUser[];
}

/** Throws the first conflict. Children and running containers cannot be overruled by force. */
function check(draft: Draft, id: Digest, options: CheckOptions): void {
  const conflict = findConflict(draft, id, options);
  if (conflict) throw conflict.error;
}

interface Conflict {
  readonly error: GantryError;
  readonly used: boolean;
}

function findConflict(draft: Draft, id: Digest, { force, references, users }: CheckOptions): Conflict | undefined {
  const conflict = (how: string, why: string, used: boolean): Conflict => ({
    error: new GantryError("conflict", `conflict: unable to delete ${shortId(id)} (${how}) - ${why}`),
    used,
  });
  if (hasChildren(draft, id)) return conflict("cannot be forced", "image has dependent child images", false);
  const using = users(id);
  const running = using.find((user) => user.running);
  if (running) {
    return conflict(
      "cannot be forced",
      `image is being used by running container ${shortId(running.containerId)}`,
      true,
    );
  }
  if (force) return undefined;
  if (references && referencesOf(draft, id).length > 0) {
    return conflict("must be forced", "image is referenced in multiple repositories", false);
  }
  const [stopped] = using;
  if (!stopped) return undefined;
  return conflict("must be forced", `image is being used by stopped container ${shortId(stopped.containerId)}`, true);
}

function hasChildren(draft: Draft, id: Digest): boolean {
  for (const image of draft.images.values()) if (image.parent === id) return true;
  return false;
}

/** `quiet`: a conflict leaves the image where it is, unless it dangles and nobody uses it, which the user should know. */
function deleteImage(draft: Draft, id: Digest, options: RemovalOptions, quiet: boolean, removals: Removal[]): void {
  const conflict = findConflict(draft, id, { ...options, references: true });
  if (conflict) {
    const dangling = referencesOf(draft, id).length === 0 && !hasChildren(draft, id);
    if (quiet && (!dangling || conflict.used)) return;
    throw conflict.error;
  }
  const record = draft.images.get(id);
  for (const reference of referencesOf(draft, id)) untag(draft, id, reference, removals);
  draft.images.delete(id);
  removals.push({ kind: "deleted", id, top: record?.top });
  const parent = record?.parent;
  if (options.prune && parent !== undefined && draft.images.has(parent)) {
    deleteImage(draft, parent, { ...options, force: false }, true, removals);
  }
}
