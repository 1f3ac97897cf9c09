import { createHash, type Hash } from "node:crypto";
import { GantryError } from "#base/errors.ts";

/** What names a blob: `algorithm:hex`. Source: OCI image-spec descriptor.md, "Digests". */
export type Digest = string;

export type DigestAlgorithm = "sha256" | "sha384" | "sha512";

/** Hexadecimal digits of each registered algorithm. */
const LENGTHS: ReadonlyMap<string, number> = new Map([
  ["sha256", 64],
  ["sha384", 96],
  ["sha512", 128],
]);

const SHAPE = /^[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[a-zA-Z0-9=_-]+$/;

/** The digest of no bytes at all, and of an empty tar (1024 zero bytes). */
export const EMPTY_DIGEST = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
export const EMPTY_LAYER_DIFF_ID = "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef";

/** The parts of a digest. Throws `invalid` in go-digest's words, for anything that is not a well-formed digest of a registered algorithm. */
export function parseDigest(text: unknown): { readonly algorithm: DigestAlgorithm; readonly hex: string } {
  if (typeof text !== "string" || text.length > 256 || !SHAPE.test(text))
    throw invalid("invalid checksum digest format");
  const colon = text.indexOf(":");
  const algorithm = text.slice(0, colon);
  const hex = text.slice(colon + 1);
  const length = LENGTHS.get(algorithm);
  if (length === undefined) throw invalid("unsupported digest algorithm");
  if (hex.length !== length) throw invalid("invalid checksum digest length");
  if (!/^[a-f0-9]+$/.test(hex)) throw invalid("invalid checksum digest format");
  return { algorithm: algorithm as DigestAlgorithm, hex };
}

function invalid(message: string): GantryError {
  return new GantryError("invalid", message);
}

/** True for a well-formed digest of a registered algorithm. */
export function isDigest(text: unknown): text is Digest {
  try {
    parseDigest(text);
    return true;
  } catch {
    return false;
  }
}

/** Hashes bytes as they come. */
export interface Digester {
  update(chunk: Uint8Array): void;
  /** Call once, at the end. */
  digest(): Digest;
}

export function digester(algorithm: DigestAlgorithm = "sha256"): Digester {
  const hash: Hash = createHash(algorithm);
  return { update: (chunk) => void hash.update(chunk), digest: () => `${algorithm}:${hash.digest("hex")}` };
}

export function digestOf(data: Uint8Array | string, algorithm: DigestAlgorithm = "sha256"): Digest {
  return `${algorithm}:${createHash(algorithm).update(data).digest("hex")}`;
}

/**
 * The chain ids of a stack of layers, from bottom to top: what names a layer together with all below it.
 * Source: OCI image-spec config.md, "Layer ChainID".
 */
export function chainIds(diffIds: readonly Digest[]): Digest[] {
  const chain: Digest[] = [];
  for (const diffId of diffIds) {
    const below = chain.at(-1);
    chain.push(below === undefined ? diffId : digestOf(`${below} ${diffId}`));
  }
  return chain;
}

/** The first 12 digits, as Docker shortens ids and digests for people. */
export function shortId(id: string): string {
  return id.slice(id.indexOf(":") + 1).slice(0, 12);
}
