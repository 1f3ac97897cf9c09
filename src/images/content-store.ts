import type { Readable } from "node:stream";
import type { Digest } from "#formats/digest.ts";
import type { Partials } from "./content/partials.ts";

/**
 * Blobs by digest: layers, configurations, manifests, of images and of the registry's repositories. A blob is there whole and
 * verified, or not at all.
 */
export interface ContentStore {
  /** Size in bytes; undefined when it is not here. */
  size(digest: Digest): number | undefined;
  /** The file of a blob that is here. Throws `not-found`. */
  path(digest: Digest): string;
  /** The bytes from `start` to `end` (exclusive). Throws `not-found`. */
  read(digest: Digest, range?: { readonly start?: number; readonly end?: number }): Readable;
  /** A whole document of at most `maxBytes`. Throws `not-found`, `too-large`. */
  bytes(digest: Digest, maxBytes: number): Promise<Buffer>;
  /** Blobs come in by a lease, which keeps them until something else does. */
  lease(): ContentLease;
  /** A file name in the ingest directory, for `adopt`; what is left there is removed at the next start. */
  temporary(): string;
  /** The directory of those files. */
  readonly ingestFolder: string;
  /** What downloads that broke off have, which they go on from. */
  readonly partials: Partials;
  /**
   * Keeps blobs for an owner ("registry/team/app"), over restarts, in place of what it held before; an empty set lets go.
   * Returns when it is durable.
   */
  hold(owner: string, digests: Iterable<Digest>): Promise<void>;
  holders(): ReadonlyMap<string, ReadonlySet<Digest>>;
  /** To be called before anything that names these blobs is written down: resolves when they are on the disk. Throws when one cannot be. */
  settle(digests: Iterable<Digest>): Promise<void>;
  /** Removes blobs that nothing holds, leases or references; returns the bytes freed. */
  collect(): Promise<number>;
  readonly totalBytes: number;
}

/** Everything that comes in by a lease, or is kept by it, stays until the lease is released; it is on the disk after `settle`. */
export interface ContentLease {
  /** Stores a document. */
  put(data: Uint8Array): Promise<Digest>;
  /** A new blob that comes in pieces. */
  writer(): Promise<BlobWriter>;
  /** Takes over a finished file of the ingest directory, whose bytes have this digest. */
  adopt(file: string, digest: Digest): Promise<void>;
  /** True when the blob is here, and stays. */
  keep(digest: Digest): boolean;
  release(): void;
}

/** One blob on its way in. */
export interface BlobWriter {
  /** Bytes written so far. */
  readonly length: number;
  /** Resolves when the next chunk may come. */
  write(chunk: Uint8Array): Promise<void>;
  /** A blob from here on. Throws `invalid` when the bytes are not those of `expected`; the blob is then gone. */
  commit(expected?: Digest): Promise<{ readonly digest: Digest; readonly size: number }>;
  /** Gives it up; harmless after commit. */
  abort(): Promise<void>;
}
