import type { DryRun } from "./options.ts";

/** Who asks, as authentication found out. */
export interface User {
  readonly name: string;
  readonly uid?: string;
  readonly groups: readonly string[];
  readonly extra?: Readonly<Record<string, readonly string[]>>;
}

/** What a verb must know of its request besides the object. */
export interface RequestContext {
  readonly user: User;
  readonly dryRun: DryRun;
  /** Owns the fields that the request sets (`fieldManager`, or the client's name). */
  readonly fieldManager: string;
  /** Adds a warning to the answer (`Warning: 299`). */
  readonly warn: (text: string) => void;
}

/** The identity of the API server itself: it may do anything (system:masters). */
export const SYSTEM_USER: User = { name: "system:apiserver", groups: ["system:masters", "system:authenticated"] };

/** A context for the server's own doings. */
export function systemContext(user: User = SYSTEM_USER): RequestContext {
  return { user, dryRun: false, fieldManager: "gantry", warn: () => undefined };
}
