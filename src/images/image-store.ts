import type { Readable } from "node:stream";
import type { Descriptor, ImageConfig, Platform } from "#formats/image-config.ts";

/** The images of this machine: one content store for `docker run`, builds and pods. */
export interface ImageStore {
  /** Reads `docker save` and OCI-layout archives (plain, gzip or zstd). Progress lines are Docker's JSON messages. */
  load(archive: Readable, report?: Report): Promise<readonly string[]>;
  /** A root file system tar as a one-layer image; returns its id. `changes` are Dockerfile instructions. */
  import(archive: Readable, options: { reference?: string; message?: string; changes?: readonly string[]; platform?: Platform }): Promise<string>;
  save(references: readonly string[]): Readable;
  list(): readonly Image[];
  /** By id (`sha256:...`), unambiguous id prefix, `name[:tag]` or `name@digest`, with Docker's name rules (docker.io/library). Throws `not-found` in Docker's words. */
  get(reference: string): Image;
  find(reference: string): Image | undefined;
  tag(reference: string, target: string): Promise<void>;
  /** Docker's rules: untags, and deletes when it was the last tag; `conflict` when a container uses it. */
  remove(reference: string, options: { force: boolean; prune: boolean }): Promise<readonly RemovedImage[]>;
  pull(reference: string, options: PullOptions): Promise<Image>;
  /** Says which images are in use by containers, for remove and prune. */
  setUsers(users: (imageId: string) => readonly string[]): void;
  /** A writable layer over an image, for one container. The id is the caller's. */
  createSnapshot(id: string, imageId: string | undefined): Promise<Snapshot>;
  snapshot(id: string): Snapshot | undefined;
  removeSnapshot(id: string): Promise<void>;
  /** Registers a new image made of a base image's layers plus a layer tar (commit, build); returns its id. */
  commitLayer(layer: Readable | undefined, config: ImageConfig, base: string | undefined, reference?: string): Promise<string>;
  close(): Promise<void>;
}

export type Report = (message: ProgressMessage) => void;

/** A line of Docker's JSON progress stream (api/types jsonmessage). */
export interface ProgressMessage {
  status?: string;
  id?: string;
  progressDetail?: { current?: number; total?: number };
  progress?: string;
  stream?: string;
  aux?: unknown;
}

export interface PullOptions {
  readonly platform?: Platform;
  readonly auth?: { readonly username?: string; readonly password?: string; readonly identityToken?: string; readonly registryToken?: string };
  readonly report?: Report;
  readonly signal?: AbortSignal;
}

export interface Image {
  /** `sha256:` and the digest of the configuration. */
  readonly id: string;
  readonly tags: readonly string[];
  readonly digests: readonly string[];
  readonly config: ImageConfig;
  readonly layers: readonly Descriptor[];
  /** Unpacked bytes of all layers. */
  readonly size: number;
  readonly createdAt: number;
  readonly lastTaggedAt: number;
}

export interface RemovedImage {
  readonly Untagged?: string;
  readonly Deleted?: string;
}

/** A writable layer. Nothing is mounted on the host: the container's own mount namespace mounts it from this description. */
export interface Snapshot {
  readonly id: string;
  readonly driver: "overlay2" | "vfs" | "btrfs";
  readonly mount: RootMount;
  /** Where the changes lie: an overlay upper directory. */
  readonly upperDir: string;
}

/** How to make the root file system: an overlay (lower directories from top to bottom), or a directory to bind. */
export type RootMount =
  | { readonly kind: "overlay"; readonly lower: readonly string[]; readonly upper: string; readonly work: string }
  | { readonly kind: "bind"; readonly source: string };
