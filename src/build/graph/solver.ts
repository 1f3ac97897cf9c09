/** A node of the build graph: one instruction. Its inputs must be done before it can be. */
export interface SolverVertex {
  readonly id: number;
  readonly inputs: readonly number[];
}

export type VertexState = "waiting" | "running" | "done" | "failed" | "canceled";

/** What a build has come to. A value: `advance` makes the next one. */
export interface Solve {
  readonly vertices: readonly SolverVertex[];
  readonly states: ReadonlyMap<number, VertexState>;
  /** Vertices that run at once, at most. */
  readonly limit: number;
}

/** What happened to a vertex that ran; `cancel` ends the whole build. */
export type SolverEvent =
  | { readonly kind: "begin" | "cancel" }
  | { readonly kind: "done" | "failed" | "canceled"; readonly vertex: number };

export interface Advance {
  readonly solve: Solve;
  /** Vertices to start now, in their order. */
  readonly start: readonly number[];
  /** Vertices that are not to be done any more. */
  readonly canceled: readonly number[];
  /** Set when nothing runs and nothing will. */
  readonly outcome: "done" | "failed" | undefined;
}

export function newSolve(vertices: readonly SolverVertex[], limit: number): Solve {
  return { vertices, states: new Map(vertices.map(({ id }) => [id, "waiting"])), limit };
}

/** One step of a solve: what becomes of it by an event. Once a vertex failed, nothing new is begun. */
export function advance(solve: Solve, event: SolverEvent): Advance {
  const states = new Map(solve.states);
  if (event.kind === "done" || event.kind === "failed" || event.kind === "canceled") {
    if (states.get(event.vertex) !== "running") throw new Error(`vertex ${event.vertex} does not run`);
    states.set(event.vertex, event.kind);
  }
  const hopeless =
    event.kind === "cancel" || [...states.values()].some((state) => state === "failed" || state === "canceled");
  const waiting = solve.vertices.filter(({ id }) => states.get(id) === "waiting");
  const canceled = hopeless ? waiting.map(({ id }) => id) : [];
  for (const id of canceled) states.set(id, "canceled");
  const start = hopeless ? [] : startable({ ...solve, states }, waiting);
  for (const id of start) states.set(id, "running");
  return { solve: { ...solve, states }, start, canceled, outcome: outcomeOf(states) };
}

function startable({ states, limit }: Solve, waiting: readonly SolverVertex[]): number[] {
  const running = [...states.values()].filter((state) => state === "running").length;
  return waiting
    .filter(({ inputs }) => inputs.every((input) => states.get(input) === "done"))
    .slice(0, Math.max(0, limit - running))
    .map(({ id }) => id);
}

function outcomeOf(states: ReadonlyMap<number, VertexState>): Advance["outcome"] {
  const all = [...states.values()];
  if (all.includes("running") || all.includes("waiting")) return undefined;
  return all.every((state) => state === "done") ? "done" : "failed";
}
