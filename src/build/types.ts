import type { Readable } from "node:stream";
import type { Clock } from "#base/clock.ts";
import type { Logger } from "#base/logger.ts";
import type { Engine } from "#containers/engine.ts";
import type { ImageStore, RegistryAuth } from "#images/image-store.ts";
import type { BuildEvent } from "#formats/build-events.ts";
import type { Platform } from "#formats/image-config.ts";
import type { OciResources } from "#formats/oci-spec.ts";
import type { RootFiles } from "#containers/container-files.ts";
import type { Ignore } from "#formats/dockerignore.ts";
import type { BuildContext } from "./build-context.ts";
import type { Entitlement } from "./entitlements.ts";
import type { StepCache } from "./step-cache.ts";

/** Where a build's files come from. */
export type BuildSource =
  /** A tar of the context: plain, or packed with gzip, bzip2, xz or zstd. */
  | { readonly kind: "archive"; readonly archive: Readable }
  /** A tar with the context below `context/` and named contexts below `named/<number>/`, numbered as in `names`. */
  | { readonly kind: "bundle"; readonly archive: Readable; readonly names: readonly string[] }
  /** A git repository (`https://host/x.git#ref:dir`), an archive, or a Dockerfile, by URL. */
  | { readonly kind: "remote"; readonly url: string };

export interface BuildOptions {
  /** Path of the Dockerfile in the context. */
  readonly dockerfile: string;
  /** The Dockerfile itself, when it lies elsewhere. */
  readonly dockerfileText?: string;
  /** Names for the result: `name[:tag]`. */
  readonly tags: readonly string[];
  readonly buildArgs: ReadonlyMap<string, string>;
  readonly labels: ReadonlyMap<string, string>;
  /** A stage's name or number; "": the last. */
  readonly target: string;
  readonly noCache: boolean;
  /** Ask the registry for newer bases. */
  readonly pull: boolean;
  readonly network: "default" | "none" | "host";
  /** What its RUNs may ask for beyond what every build may. */
  readonly allow?: ReadonlySet<Entitlement>;
  readonly extraHosts: readonly string[];
  readonly shmBytes: number;
  readonly resources: OciResources;
  readonly auths: ReadonlyMap<string, RegistryAuth>;
  /** What the result is for; this machine by default. */
  readonly platform?: Platform;
  /** Images whose steps count as done before; fetched when they are not here. */
  readonly cacheFrom?: readonly string[];
  /** What `RUN --mount=type=secret` gives, by id. */
  readonly secrets?: ReadonlyMap<string, Buffer>;
  /** Sockets of ssh agents, by id. */
  readonly ssh?: ReadonlyMap<string, string>;
  /** Named contexts that are images or repositories: `docker-image://name`, `https://host/x.git`. */
  readonly contexts?: ReadonlyMap<string, string>;
  /** Only read the Dockerfile and tell what is to be said about it. */
  readonly checkOnly?: boolean;
  /** The result is no image of the user's: its files are fetched, and it may go with the cache. */
  readonly cacheOnly?: boolean;
  readonly signal?: AbortSignal;
}

export type BuildReport = (event: BuildEvent) => void;

/** What a step tells of itself. */
export interface StepReport {
  log(text: string): void;
  container(id: string): void;
  cached(): void;
  pull(message: object): void;
}

/** What a build stands on while it runs. */
export interface BuildRun {
  readonly engine: Engine;
  readonly images: ImageStore;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly cache: StepCache;
  readonly context: BuildContext;
  /** For cache mounts of RUN. */
  readonly cacheMounts: string;
  readonly options: BuildOptions;
  readonly report: StepReport;
  /** Aborts when the client goes away, and when another step failed. */
  readonly signal: AbortSignal;
  /** Of every image that is made: now, or SOURCE_DATE_EPOCH. */
  readonly created: string;
  /** With SOURCE_DATE_EPOCH no file of a layer is newer (epoch seconds). */
  readonly newestSeconds: number | undefined;
  readonly escape: string;
  /** What the result is for. */
  readonly platform: Platform;
}

/** What `--from` names: files, what of them is left out, and whether they are the context (whose owners do not count). */
export interface CopySource {
  readonly files: RootFiles;
  readonly ignored: Ignore;
  readonly fromContext: boolean;
}

/** Calls `use` with the files that a `--from` means: a stage by name or number, a named context, or an image. */
export type WithSource = <T>(name: string, use: (source: CopySource) => Promise<T>) => Promise<T>;
