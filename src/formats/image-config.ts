/** OCI image documents (image-spec 1.1) with the fields Docker adds. */

export interface Descriptor {
  mediaType: string;
  digest: string;
  size: number;
  urls?: string[];
  annotations?: Record<string, string>;
  data?: string;
  platform?: Platform;
  artifactType?: string;
}

export interface Platform {
  architecture: string;
  os: string;
  "os.version"?: string;
  "os.features"?: string[];
  variant?: string;
}

export interface ImageManifest {
  schemaVersion: 2;
  mediaType?: string;
  artifactType?: string;
  config: Descriptor;
  layers: Descriptor[];
  subject?: Descriptor;
  annotations?: Record<string, string>;
}

export interface ImageIndex {
  schemaVersion: 2;
  mediaType?: string;
  artifactType?: string;
  manifests: Descriptor[];
  subject?: Descriptor;
  annotations?: Record<string, string>;
}

/** The image configuration document; its SHA-256 is the image id. */
export interface ImageConfig {
  created?: string;
  author?: string;
  architecture: string;
  os: string;
  variant?: string;
  "os.version"?: string;
  config?: RunConfig;
  rootfs: { type: "layers"; diff_ids: string[] };
  history?: ImageHistory[];
  docker_version?: string;
  comment?: string;
  /** Cache keys of the steps that Gantry built it by, one for each entry of the history, "" for none: `--cache-from` finds them. */
  "gantry.steps"?: string[];
}

export interface ImageHistory {
  created?: string;
  author?: string;
  created_by?: string;
  comment?: string;
  empty_layer?: boolean;
}

/** What a container of the image runs by default. */
export interface RunConfig {
  User?: string;
  ExposedPorts?: Record<string, object>;
  Env?: string[];
  Entrypoint?: string[] | null;
  Cmd?: string[] | null;
  Volumes?: Record<string, object> | null;
  WorkingDir?: string;
  Labels?: Record<string, string> | null;
  StopSignal?: string;
  StopTimeout?: number;
  ArgsEscaped?: boolean;
  Shell?: string[];
  OnBuild?: string[] | null;
  Healthcheck?: HealthcheckConfig;
}

/** Durations in nanoseconds, as Docker writes them. `Test` is `["NONE"]`, `["CMD", ...]` or `["CMD-SHELL", text]`. */
export interface HealthcheckConfig {
  Test?: string[];
  Interval?: number;
  Timeout?: number;
  StartPeriod?: number;
  StartInterval?: number;
  Retries?: number;
}
