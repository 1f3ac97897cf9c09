/** What a build tells while it runs: the graph's progress, for whoever draws it. One JSON document each on the wire. */
export type BuildEvent =
  /** First: all there is to do, in the order of the Dockerfile. */
  | { readonly kind: "plan"; readonly vertices: readonly BuildVertex[] }
  | { readonly kind: "started" | "cached" | "canceled"; readonly vertex: number }
  /** `imageId`: what stands at its end. */
  | { readonly kind: "done"; readonly vertex: number; readonly imageId?: string }
  | { readonly kind: "failed"; readonly vertex: number; readonly message: string }
  /** What a command printed. */
  | { readonly kind: "log"; readonly vertex: number; readonly text: string }
  /** A command runs in this container. */
  | { readonly kind: "container"; readonly vertex: number; readonly id: string }
  /** Docker's message of a pull under way. */
  | { readonly kind: "pull"; readonly vertex: number; readonly message: object }
  | { readonly kind: "warning"; readonly warning: BuildWarning }
  | { readonly kind: "result"; readonly imageId: string }
  | { readonly kind: "tagged"; readonly tag: string };

export interface BuildVertex {
  readonly id: number;
  /** `[build 2/5] RUN make` */
  readonly name: string;
  /** The instruction as it was written. */
  readonly text: string;
}

/** A build check that did not pass (docs.docker.com/reference/build-checks), or another remark. */
export interface BuildWarning {
  /** "" for a remark that is no check's. */
  readonly rule: string;
  readonly message: string;
  /** The rule in one sentence. */
  readonly description: string;
  readonly url: string;
  /** From 1; 0 for none. */
  readonly line: number;
}
