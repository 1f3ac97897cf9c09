import type { Clock } from "#base/clock.ts";
import type { Logger } from "#base/logger.ts";
import type { Engine } from "#containers/engine.ts";
import type { ImageStore, ProgressMessage, RegistryAuth } from "#images/image-store.ts";
import type { OciResources } from "#formats/oci-spec.ts";
import type { RootFiles } from "#containers/container-files.ts";
import type { Ignore } from "#formats/dockerignore.ts";
import type { BuildContext } from "./build-context.ts";
import type { StepCache } from "./step-cache.ts";

export interface BuildOptions {
  /** Path of the Dockerfile in the context. */
  readonly dockerfile: string;
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
  readonly extraHosts: readonly string[];
  readonly shmBytes: number;
  readonly resources: OciResources;
  readonly auths: ReadonlyMap<string, RegistryAuth>;
  readonly signal?: AbortSignal;
}

export type BuildReport = (message: ProgressMessage) => void;

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
  readonly report: BuildReport;
  /** Of every image that is made: now, or SOURCE_DATE_EPOCH. */
  readonly created: string;
  readonly escape: string;
}

/** What `--from` names: files, what of them is left out, and whether they are the context (whose owners do not count). */
export interface CopySource {
  readonly files: RootFiles;
  readonly ignored: Ignore;
  readonly fromContext: boolean;
}

/** Calls `use` with the files that a `--from` means: a stage by name or number, or an image. */
export type WithSource = <T>(name: string, use: (source: CopySource) => Promise<T>) => Promise<T>;
