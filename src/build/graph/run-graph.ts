import { errorText, GantryError, isGantryError } from "#base/errors.ts";
import type { BuildEvent } from "#formats/build-events.ts";
import type { InstructionVertex } from "./build-graph.ts";
import { advance, newSolve, type SolverEvent } from "./solver.ts";

export interface GraphRun {
  readonly vertices: readonly InstructionVertex[];
  /** Vertices that run at once, at most. */
  readonly limit: number;
  /** The client's: it ends the build. */
  readonly signal: AbortSignal | undefined;
  readonly report: (event: BuildEvent) => void;
  /** Does one vertex; returns the image that stands at its end, if one does. */
  readonly perform: (vertex: InstructionVertex, signal: AbortSignal) => Promise<string | undefined>;
}

/** Runs a build's graph to its end. Throws the first failure, when all that ran beside it has ended. */
export async function runGraph({ vertices, limit, signal, report, perform }: GraphRun): Promise<void> {
  const stop = new AbortController();
  const byId = new Map(vertices.map((vertex) => [vertex.id, vertex]));
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let solve = newSolve(vertices, limit);
  let failure: unknown;
  const apply = (event: SolverEvent): void => {
    const next = advance(solve, event);
    solve = next.solve;
    for (const vertex of next.canceled) report({ kind: "canceled", vertex });
    for (const id of next.start) void run(id);
    if (next.outcome === "done") resolve();
    else if (next.outcome === "failed") reject(failure ?? new GantryError("cancelled", "context canceled"));
  };
  const run = async (id: number): Promise<void> => {
    const vertex = byId.get(id);
    if (!vertex) throw new GantryError("internal", `no vertex ${id}`);
    report({ kind: "started", vertex: id });
    try {
      const imageId = await perform(vertex, stop.signal);
      report({ kind: "done", vertex: id, ...(imageId !== undefined && { imageId }) });
      apply({ kind: "done", vertex: id });
    } catch (error) {
      if (stop.signal.aborted) {
        report({ kind: "canceled", vertex: id });
        apply({ kind: "canceled", vertex: id });
        return;
      }
      failure = error;
      stop.abort(error);
      report({ kind: "failed", vertex: id, message: errorText(error) });
      apply({ kind: "failed", vertex: id });
    }
  };
  const cancel = (): void => {
    failure ??= isGantryError(signal?.reason) ? signal.reason : new GantryError("cancelled", "context canceled");
    stop.abort(failure);
    apply({ kind: "cancel" });
  };
  signal?.addEventListener("abort", cancel, { once: true });
  try {
    if (signal?.aborted) cancel();
    else apply({ kind: "begin" });
    await promise;
  } finally {
    signal?.removeEventListener("abort", cancel);
  }
}
