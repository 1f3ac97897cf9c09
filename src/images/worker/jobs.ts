import type { Compression } from "#formats/image-media-types.ts";
import type { Digest } from "#formats/digest.ts";
import type { Change } from "../image-store.ts";
import type { Unpacked, UnpackLimits, UnpackTarget } from "./unpacker.ts";

/** What the worker threads do: everything that reads or writes whole layers. */
export interface Jobs {
  /** Unpacks a layer; the archive comes as input, or from `blob`. Fails unless its uncompressed bytes have the digest `diffId`. */
  unpack: Job<
    {
      readonly target: UnpackTarget;
      readonly diffId?: Digest;
      /** A finished, verified blob. */
      readonly blob?: string;
      /** The digest of that blob, as it was verified when it came. */
      readonly blobDigest?: Digest;
      /** Undefined: told by the first bytes. */
      readonly compression?: Compression;
      /** Where the input is kept as it comes, and the digest it must have. */
      readonly keep?: { readonly file: string; readonly digest?: Digest };
      readonly limits?: UnpackLimits;
    },
    { readonly unpacked: Unpacked; readonly diffId: Digest; readonly digest?: Digest; readonly bytes: number }
  >;
  /** Stores each file of an archive (the input) as a temporary file in `folder`, named by what it hashes to. */
  ingest: Job<{ readonly folder: string; readonly limits: IngestLimits }, { readonly files: readonly IngestedFile[] }>;
  /** Gives directories that have no entry in their layer the owner, mode and times that the layers below have. */
  inherit: Job<
    { readonly diff: string; readonly lowers: readonly string[]; readonly implicit: readonly string[] },
    object
  >;
  /** Fills an empty directory with the mount points of an image's containers. */
  init: Job<{ readonly diff: string; readonly lowers: readonly string[] }, object>;
  /** Removes what is in a directory, and with `itself` the directory. */
  remove: Job<{ readonly folder: string; readonly itself: boolean }, object>;
  /** Copies layers, merged, into an empty directory (vfs); with `clone` files share their bytes where the file system can (btrfs). */
  copy: Job<{ readonly layers: readonly string[]; readonly target: string; readonly clone?: boolean }, object>;
  /** What an upper directory changes in the layers below it; a `full` one has all files itself, and what it lacks is deleted. */
  changes: Job<
    { readonly upper: string; readonly lowers: readonly string[]; readonly full: boolean; readonly most: number },
    { readonly changes: readonly Change[] }
  >;
  /** Writes a layer's archive (upper only) or a whole root file system to the output. */
  pack: Job<
    {
      readonly upper: string;
      readonly lowers: readonly string[];
      readonly full: boolean;
      readonly content: "changes" | "root";
      /** No file is newer than this (epoch): SOURCE_DATE_EPOCH. */
      readonly newestSeconds?: number;
    },
    { readonly entries: number }
  >;
  /** Writes the archive of a writable layer to a new file, and leaves in the layer only what the archive has, too. */
  seal: Job<
    { readonly upper: string; readonly lowers: readonly string[]; readonly file: string },
    { readonly unpacked: Unpacked; readonly diffId: Digest; readonly bytes: number }
  >;
  /** Compresses a file into a new one. */
  compress: Job<{ readonly file: string; readonly target: string }, { readonly digest: Digest; readonly size: number }>;
  /** Bytes of the files in a directory: `apparent` by their lengths, `used` by their blocks. */
  measure: Job<{ readonly folder: string }, { readonly apparent: number; readonly used: number }>;
}

export interface Job<Request, Result> {
  readonly request: Request;
  readonly result: Result;
}

export type JobName = keyof Jobs;
export type RequestOf<N extends JobName> = Jobs[N]["request"];
export type ResultOf<N extends JobName> = Jobs[N]["result"];

export interface IngestLimits {
  readonly files: number;
  readonly bytes: number;
}

export type IngestedFile =
  | {
      readonly kind: "file";
      readonly path: string;
      readonly file: string;
      readonly digest: Digest;
      readonly size: number;
    }
  /** A link inside the archive, as old `docker save` archives have them. */
  | { readonly kind: "link"; readonly path: string; readonly target: string };

/** What a job has beside its request. */
export interface JobContext {
  /** The input's chunks, as they come. */
  readonly input: AsyncIterable<Buffer>;
  /** Sends a chunk of output (whose memory is given away); resolves when there is room for more. */
  output(chunk: Buffer): Promise<void> | undefined;
  /** Tells how many bytes of the archive have been taken. */
  progress(bytes: number): void;
  /** Throws `cancelled` when nobody waits for the job any more. */
  check(): void;
}

export type ToWorker =
  | {
      readonly kind: "job";
      readonly name: JobName;
      readonly request: unknown;
      readonly cancel: SharedArrayBuffer;
      readonly hasInput: boolean;
    }
  | { readonly kind: "chunk"; readonly data: Uint8Array }
  | { readonly kind: "end" }
  /** The input broke off. */
  | { readonly kind: "broken"; readonly failure: Failure }
  | { readonly kind: "taken"; readonly bytes: number };

export type FromWorker =
  | { readonly kind: "result"; readonly result: unknown }
  | { readonly kind: "failed"; readonly failure: Failure }
  | { readonly kind: "chunk"; readonly data: Uint8Array }
  | { readonly kind: "progress"; readonly bytes: number }
  | { readonly kind: "taken"; readonly bytes: number };

/** An error as it crosses between threads. */
export interface Failure {
  readonly code: string;
  readonly message: string;
  readonly details: Readonly<Record<string, unknown>>;
}

/** Bytes that may be on their way between two threads, in each direction. */
export const WINDOW_BYTES = 4 * 1024 * 1024;
