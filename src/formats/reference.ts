import { GantryError } from "#base/errors.ts";
import { parseDigest, type Digest } from "./digest.ts";

/** A normalised image reference: `docker.io/library/busybox:latest`, `localhost:5000/team/app@sha256:...`. */
export interface ImageReference {
  readonly domain: string;
  /** The repository without the domain. */
  readonly path: string;
  readonly tag?: string;
  readonly digest?: Digest;
}

/** What a user may write where an image is meant: an image id (or any digest), or a name. */
export type AnyReference =
  | { readonly kind: "digest"; readonly digest: Digest }
  | { readonly kind: "named"; readonly reference: ImageReference };

const DEFAULT_DOMAIN = "docker.io";
const LEGACY_DEFAULT_DOMAIN = "index.docker.io";
const OFFICIAL = "library/";
const DEFAULT_TAG = "latest";
const MAX_PATH_LENGTH = 255;
/** Longer than any valid reference with a domain name (253), a path (255), a tag (128) and a SHA-512. */
const MAX_TEXT_LENGTH = 1024;

// The grammar of github.com/distribution/reference (regexp.go).
const COMPONENT = "[a-z0-9]+(?:(?:[._]|__|[-]+)[a-z0-9]+)*";
const PATH = `${COMPONENT}(?:/${COMPONENT})*`;
const HOST_LABEL = "(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])";
const DOMAIN = `(?:${HOST_LABEL}(?:\\.${HOST_LABEL})*|\\[(?:[a-fA-F0-9:]+)\\])(?::[0-9]+)?`;
const TAG = "[\\w][\\w.-]{0,127}";
const DIGEST = "[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}";
const REFERENCE = new RegExp(`^(${DOMAIN})/(${PATH})(?::(${TAG}))?(?:@(${DIGEST}))?$`);
const REPOSITORY = new RegExp(`^${PATH}$`);
const TAG_ONLY = new RegExp(`^${TAG}$`);
const IDENTIFIER = /^[a-f0-9]{64}$/;

/**
 * Parses a name as Docker does (`busybox` is docker.io/library/busybox); no tag is added.
 * Throws `invalid` in Docker's words: "invalid reference format", "... must be lowercase", ...
 */
export function parseReference(text: string): ImageReference {
  if (IDENTIFIER.test(text)) {
    throw invalid(`invalid repository name (${text}), cannot specify 64-byte hexadecimal strings`);
  }
  const [domain, remainder] = splitDomain(text);
  const colon = remainder.indexOf(":");
  const remote = colon < 0 ? remainder : remainder.slice(0, colon);
  if (remote.toLowerCase() !== remote) {
    throw invalid(`invalid reference format: repository name (${remote}) must be lowercase`);
  }
  const match = text.length > MAX_TEXT_LENGTH ? null : REFERENCE.exec(`${domain}/${remainder}`);
  if (!match) throw invalid("invalid reference format");
  const [, host = "", path = "", tag, digest] = match;
  if (path.length > MAX_PATH_LENGTH) {
    throw invalid(`repository name must not be more than ${MAX_PATH_LENGTH} characters`);
  }
  if (digest !== undefined) parseDigest(digest);
  return { domain: host, path, ...(tag === undefined ? {} : { tag }), ...(digest === undefined ? {} : { digest }) };
}

/** Parses an image id of 64 digits, a digest, or a name. Throws as parseReference does. */
export function parseAnyReference(text: string): AnyReference {
  if (IDENTIFIER.test(text)) return { kind: "digest", digest: `sha256:${text}` };
  try {
    parseDigest(text);
    return { kind: "digest", digest: text };
  } catch {
    // Not a digest: it is a name, and is judged as one.
    return { kind: "named", reference: parseReference(text) };
  }
}

function splitDomain(text: string): [string, string] {
  const slash = text.indexOf("/");
  if (slash < 0) return [DEFAULT_DOMAIN, OFFICIAL + text];
  let domain = text.slice(0, slash);
  let remainder = text.slice(slash + 1);
  if (domain === LEGACY_DEFAULT_DOMAIN) domain = DEFAULT_DOMAIN;
  else if (domain !== "localhost" && !/[.:]/.test(domain) && domain.toLowerCase() === domain) {
    [domain, remainder] = [DEFAULT_DOMAIN, text];
  }
  if (domain === DEFAULT_DOMAIN && !remainder.includes("/")) remainder = OFFICIAL + remainder;
  return [domain, remainder];
}

function invalid(message: string): GantryError {
  return new GantryError("invalid", message);
}

/** The reference with the tag `latest` when it has neither tag nor digest. */
export function withDefaultTag(reference: ImageReference): ImageReference {
  return isNameOnly(reference) ? { ...reference, tag: DEFAULT_TAG } : reference;
}

/** The reference with another tag, and no digest. Throws `invalid` ("invalid tag format"). */
export function withTag(reference: ImageReference, tag: string): ImageReference {
  if (!isTag(tag)) throw invalid("invalid tag format");
  return { domain: reference.domain, path: reference.path, tag };
}

export function isNameOnly(reference: ImageReference): boolean {
  return reference.tag === undefined && reference.digest === undefined;
}

export function isTag(text: string): boolean {
  return TAG_ONLY.test(text);
}

/** True for a repository path as registries take it (`library/busybox`). */
export function isRepositoryPath(text: string): boolean {
  return text.length <= MAX_PATH_LENGTH && REPOSITORY.test(text);
}

/** `docker.io/library/busybox`. */
export function repositoryName(reference: ImageReference): string {
  return `${reference.domain}/${reference.path}`;
}

/** `docker.io/library/busybox:latest`. */
export function referenceString(reference: ImageReference): string {
  return repositoryName(reference) + suffix(reference);
}

/** The short repository name of Docker's user interface: `busybox`, `team/app`, `localhost:5000/app`. */
export function familiarName(reference: ImageReference): string {
  if (reference.domain !== DEFAULT_DOMAIN) return repositoryName(reference);
  const official = reference.path.startsWith(OFFICIAL) && !reference.path.slice(OFFICIAL.length).includes("/");
  return official ? reference.path.slice(OFFICIAL.length) : reference.path;
}

/** The short form with tag and digest: `busybox:latest`. */
export function familiarString(reference: ImageReference): string {
  return familiarName(reference) + suffix(reference);
}

function suffix(reference: ImageReference): string {
  const tag = reference.tag === undefined ? "" : `:${reference.tag}`;
  return reference.digest === undefined ? tag : `${tag}@${reference.digest}`;
}
