import type { Readable } from "node:stream";
import type { Signal } from "#base/signal.ts";
import type { Descriptor, ImageConfig, Platform } from "#formats/image-config.ts";
import type { ContentStore } from "./content-store.ts";

/** The images of this machine: one content store for `docker run`, builds and pods. */
export interface ImageStore {
  /** Reads `docker save` and OCI-layout archives (plain, gzip or zstd). Returns the loaded references, or ids of untagged images. Progress lines are Docker's JSON messages. */
  load(archive: Readable, report?: Report): Promise<readonly string[]>;
  /** A root file system tar as a one-layer image; returns its id. `changes` are Dockerfile instructions. */
  import(archive: Readable, options: ImportOptions): Promise<string>;
  /** An archive of images: names and ids; a name without a tag stands for all its tags. Throws when one is not there. */
  save(references: readonly string[]): Readable;
  list(): readonly Image[];
  /** By id (`sha256:...`), unambiguous id prefix, `name[:tag]` or `name@digest`, with Docker's name rules (docker.io/library). Throws `not-found` in Docker's words. */
  get(reference: string): Image;
  find(reference: string): Image | undefined;
  /** Gives an image one more name; a tag that named another image moves. */
  tag(reference: string, target: string): Promise<void>;
  /** Docker's rules: untags, and deletes when it was the last tag; `conflict` when a container uses it. */
  remove(reference: string, options: { force: boolean; prune: boolean }): Promise<readonly RemovedImage[]>;
  /** Removes images that no container uses: those without a tag, or all (`dangling` false). */
  prune(options: PruneOptions): Promise<{ readonly removed: readonly RemovedImage[]; readonly reclaimedBytes: number }>;
  pull(reference: string, options: PullOptions): Promise<Image>;
  /** Every tag of a repository. */
  pullAllTags(repository: string, options: PullOptions): Promise<readonly Image[]>;
  /** Sends an image to the registry that its name says; a name without a tag sends `latest`, `allTags` every tag. */
  push(reference: string, options: PushOptions): Promise<void>;
  /** Tries credentials at a registry. Throws `unauthorized` when they are refused. */
  login(registry: string, auth: RegistryAuth, signal?: AbortSignal): Promise<void>;
  /** What a registry has under a name, without fetching it. */
  inspectRemote(reference: string, auth?: RegistryAuth, signal?: AbortSignal): Promise<RemoteImage>;
  /** What `docker history` shows, the newest first. */
  history(reference: string): readonly HistoryEntry[];
  /** Says which containers use an image, for remove and prune. */
  setUsers(users: (imageId: string) => readonly ImageUser[]): void;
  /** Everything that happens to images: tag, untag, delete, load, import, pull, push, save, prune. */
  readonly events: Signal<ImageEvent>;
  /** A writable layer over an image, for one container. The id is the caller's. */
  createSnapshot(id: string, imageId: string | undefined): Promise<Snapshot>;
  snapshot(id: string): Snapshot | undefined;
  snapshots(): readonly Snapshot[];
  removeSnapshot(id: string): Promise<void>;
  /** What differs from the image, by path: `docker diff`. */
  changes(snapshotId: string): Promise<readonly Change[]>;
  /** The changes as a layer tar, for commitLayer. With `newestSeconds` no file in it is newer than that (epoch). */
  exportLayer(snapshotId: string, options?: { readonly newestSeconds?: number | undefined }): Readable;
  /** The files of an image as a tar, without what only containers need. Throws `not-found`. */
  exportImage(reference: string): Readable;
  /** The whole root file system as a tar: `docker export`. */
  exportRoot(snapshotId: string): Readable;
  /** Bytes of the writable layer's files: `docker ps --size`. */
  snapshotBytes(snapshotId: string): Promise<number>;
  /**
   * Registers a new image made of a base image's layers plus a layer tar (commit, build); returns its id. The layer's digest is
   * added to `config.rootfs`, unless it is empty. `history` and all else is the caller's.
   */
  commitLayer(
    layer: Readable | undefined,
    config: ImageConfig,
    base: string | undefined,
    reference?: string,
  ): Promise<string>;
  /**
   * As commitLayer, with what was changed in a snapshot as the layer, for steps of a build: the snapshot, which nobody may have mounted, is
   * of no use afterwards. The image is there at once, and on the disk after `flush`. With `newestSeconds` no file is newer than that.
   */
  commitSnapshot(
    snapshotId: string | undefined,
    config: ImageConfig,
    base: string | undefined,
    options?: { readonly newestSeconds?: number | undefined },
  ): Promise<string>;
  /** Resolves when an image is on the disk. Throws when it could not be written, and is not there any more. */
  flush(imageId: string): Promise<void>;
  /** Registers the image that `config` and the lowest `layers` layers of another one make; returns its id. */
  deriveImage(config: ImageConfig, from: string, layers: number): Promise<string>;
  usage(): Promise<DiskUsage>;
  readonly content: ContentStore;
  /** How containers get their root. */
  readonly driver: Snapshot["driver"];
  close(): Promise<void>;
}

export interface ImportOptions {
  readonly reference?: string;
  readonly message?: string;
  readonly changes?: readonly string[];
  readonly platform?: Platform;
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

export interface RegistryAuth {
  readonly username?: string;
  readonly password?: string;
  readonly identityToken?: string;
  readonly registryToken?: string;
}

export interface PullOptions {
  readonly platform?: Platform;
  readonly auth?: RegistryAuth;
  readonly report?: Report;
  readonly signal?: AbortSignal;
}

export interface PushOptions {
  readonly allTags?: boolean;
  readonly platform?: Platform;
  readonly auth?: RegistryAuth;
  readonly report?: Report;
  readonly signal?: AbortSignal;
}

export interface RemoteImage {
  /** Of the manifest, or of the index of several platforms. */
  readonly descriptor: Descriptor;
  readonly platforms: readonly Platform[];
}

export interface PruneOptions {
  readonly dangling: boolean;
  /** Only images created before this time (epoch milliseconds). */
  readonly until?: number;
  /** Further condition, by labels for instance. */
  readonly where?: (image: Image) => boolean;
}

export interface Image {
  /** `sha256:` and the digest of the configuration. */
  readonly id: string;
  /** Familiar names, sorted: `busybox:latest`. */
  readonly tags: readonly string[];
  /** `name@digest` for each repository that it was pulled from or pushed to. */
  readonly digests: readonly string[];
  readonly config: ImageConfig;
  /** The manifest that it came with, or that Gantry made for it. */
  readonly manifest: Descriptor;
  readonly layers: readonly Descriptor[];
  /** Unpacked bytes of each layer, from bottom to top. */
  readonly layerBytes: readonly number[];
  /** Unpacked bytes of all layers. */
  readonly size: number;
  /** The image it was built on, when it was built here. */
  readonly parent: string | undefined;
  /** Epoch milliseconds; 0 when the configuration does not say. */
  readonly createdAt: number;
  readonly lastTaggedAt: number;
}

export interface RemovedImage {
  readonly Untagged?: string;
  readonly Deleted?: string;
}

export interface ImageUser {
  readonly containerId: string;
  readonly running: boolean;
}

export interface ImageEvent {
  readonly action: "tag" | "untag" | "delete" | "load" | "import" | "pull" | "push" | "save" | "prune";
  /** Image id; for pull and push the reference, as Docker has it. */
  readonly id: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** A row of `docker history`: api/types/image.HistoryResponseItem. */
export interface HistoryEntry {
  /** An image id, or "<missing>". */
  readonly id: string;
  /** Epoch seconds. */
  readonly created: number;
  readonly createdBy: string;
  readonly tags: readonly string[] | undefined;
  readonly size: number;
  readonly comment: string;
}

export interface Change {
  /** Absolute, in the container. */
  readonly path: string;
  readonly kind: "modified" | "added" | "deleted";
}

export interface DiskUsage {
  /** Layers and blobs together, as they lie on the disk. */
  readonly totalBytes: number;
  /** Unpacked layers: Docker's LayersSize. */
  readonly layersBytes: number;
  /** For each image: bytes that no other image has, and bytes that some other has too. */
  readonly images: ReadonlyMap<string, { readonly uniqueBytes: number; readonly sharedBytes: number }>;
}

/** A writable layer. Nothing is mounted on the host: the container's own mount namespace mounts it from this description. */
export interface Snapshot {
  readonly id: string;
  readonly driver: "overlay2" | "vfs" | "btrfs";
  readonly imageId: string | undefined;
  readonly mount: RootMount;
  /** Where the changes lie: an overlay upper directory. */
  readonly upperDir: string;
}

/**
 * How to make the root file system: an overlay (lower directories from top to bottom), or a directory to bind. The top-most
 * lower directory holds the mount points that every container needs (/proc, /dev, /etc/hosts ...), as Docker's init layer
 * does, so that they are no change of the container's. Lower paths are short links: up to 127 fit into one page of mount
 * options below a data root of Docker's length. `options` must be given to overlayfs: with the kernel's defaults renamed
 * directories would become redirects that no other tool can read.
 */
export type RootMount =
  | {
      readonly kind: "overlay";
      readonly lower: readonly string[];
      readonly upper: string;
      readonly work: string;
      readonly options?: readonly string[];
    }
  | { readonly kind: "bind"; readonly source: string };
