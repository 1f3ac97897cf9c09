import type { Heredoc } from "./dockerfile/heredoc.ts";
import type { Location } from "./dockerfile/lines.ts";
import type { Pair } from "./dockerfile/words.ts";
import type { HealthcheckConfig } from "./image-config.ts";

/** A command to run: as it is, or by the stage's shell (here-documents behind it). */
export type CommandLine =
  | { readonly form: "exec"; readonly args: readonly string[] }
  | { readonly form: "shell"; readonly text: string; readonly heredocs: readonly Heredoc[] };

/** Files that COPY and ADD write, given in the Dockerfile itself. */
export interface InlineFile {
  readonly name: string;
  readonly content: string;
  readonly expand: boolean;
}

export interface CopyOptions {
  readonly from?: string;
  readonly chown?: string;
  readonly chmod?: string;
  readonly link: boolean;
  readonly parents: boolean;
  readonly exclude: readonly string[];
  /** ADD only. */
  readonly checksum?: string;
  readonly keepGitDir: boolean;
  readonly unpack?: boolean;
}

/** What an instruction says, variables not yet put in. */
export type InstructionBody =
  | { readonly kind: "env" | "label"; readonly pairs: readonly Pair[] }
  | { readonly kind: "arg"; readonly args: readonly { readonly name: string; readonly value?: string }[] }
  | { readonly kind: "user" | "workdir" | "stopsignal"; readonly value: string }
  | { readonly kind: "maintainer"; readonly value: string }
  | {
      readonly kind: "copy" | "add";
      readonly sources: readonly string[];
      readonly inline: readonly InlineFile[];
      readonly target: string;
      readonly options: CopyOptions;
    }
  | {
      readonly kind: "run";
      readonly command: CommandLine;
      readonly mounts: readonly string[];
      readonly network?: string;
      readonly security?: string;
    }
  | { readonly kind: "cmd" | "entrypoint"; readonly command: CommandLine }
  | { readonly kind: "shell"; readonly shell: readonly string[] }
  | { readonly kind: "expose"; readonly ports: readonly string[] }
  | { readonly kind: "volume"; readonly paths: readonly string[] }
  | { readonly kind: "healthcheck"; readonly healthcheck: HealthcheckConfig }
  | { readonly kind: "onbuild"; readonly expression: string };

export type Instruction = InstructionBody & { readonly location: Location; readonly original: string };

export interface Stage {
  /** An image, `scratch`, or another stage's name; variables not yet put in. */
  readonly base: string;
  readonly name: string | undefined;
  readonly platform: string | undefined;
  readonly location: Location;
  readonly original: string;
  readonly instructions: readonly Instruction[];
}

export interface Dockerfile {
  /** ARGs before the first FROM: for FROM lines only. */
  readonly metaArgs: readonly { readonly name: string; readonly value?: string }[];
  readonly stages: readonly Stage[];
  readonly escape: string;
  readonly directives: Readonly<Record<string, string>>;
  readonly warnings: readonly string[];
}
