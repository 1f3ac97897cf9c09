import type { BuildEvent, BuildVertex } from "#formats/build-events.ts";

/** Draws a build's graph, event by event. */
export interface BuildProgress {
  show(event: BuildEvent): void;
  /** Takes down what is drawn; the last state stays. */
  close(): void;
}

interface Drawn {
  readonly vertex: BuildVertex;
  startedMs: number;
  cached: boolean;
  /** The last thing written had no new line behind it. */
  openLine: boolean;
}

/**
 * One line for each thing that happens, as BuildKit's plain progress has it:
 *
 *     #2 [2/2] RUN echo hi
 *     #2 0.105 hi
 *     #2 DONE 0.2s
 */
export function plainProgress(write: (text: string) => void, now: () => number): BuildProgress {
  const known = new Map<number, Drawn>();
  let current: number | undefined;
  let openLine = false;
  const line = (text: string): void => {
    if (openLine) write("\n");
    openLine = false;
    write(`${text}\n`);
  };
  const turnTo = (drawn: Drawn): void => {
    if (current === drawn.vertex.id) return;
    if (current !== undefined) line(`#${current + 1} ...\n`);
    line(`#${drawn.vertex.id + 1} ${drawn.vertex.name}`);
    current = drawn.vertex.id;
  };
  const end = (drawn: Drawn, text: string): void => {
    turnTo(drawn);
    line(`#${drawn.vertex.id + 1} ${text}\n`);
    current = undefined;
  };
  const seconds = (since: number, digits: number): string => ((now() - since) / 1000).toFixed(digits);
  const log = (drawn: Drawn, text: string): void => {
    turnTo(drawn);
    for (const piece of text.split(/(?<=\n)/)) {
      if (!openLine) write(`#${drawn.vertex.id + 1} ${seconds(drawn.startedMs, 3)} `);
      write(piece);
      openLine = !piece.endsWith("\n");
    }
  };
  return {
    show(event) {
      if (event.kind === "plan") {
        for (const vertex of event.vertices)
          known.set(vertex.id, { vertex, startedMs: now(), cached: false, openLine: false });
        return;
      }
      if (event.kind === "warning") return line(`WARN: ${warningText(event.warning)}`);
      if (event.kind === "result" || event.kind === "tagged") return line(resultText(event));
      const drawn = known.get(event.vertex);
      if (!drawn) return;
      if (event.kind === "started") {
        drawn.startedMs = now();
        turnTo(drawn);
      } else if (event.kind === "log") log(drawn, event.text);
      else if (event.kind === "pull") {
        const text = pullText(event.message);
        if (text !== undefined) log(drawn, `${text}\n`);
      } else if (event.kind === "cached") drawn.cached = true;
      else if (event.kind === "done") end(drawn, drawn.cached ? "CACHED" : `DONE ${seconds(drawn.startedMs, 1)}s`);
      else if (event.kind === "failed") end(drawn, `ERROR: ${event.message}`);
      else if (event.kind === "canceled") end(drawn, "CANCELED");
    },
    close: () => undefined,
  };
}

export function warningText({ rule, message, line }: { rule: string; message: string; line: number }): string {
  return rule === "" ? message : `${rule}: ${message} (line ${line})`;
}

function resultText(event: Extract<BuildEvent, { kind: "result" | "tagged" }>): string {
  return event.kind === "result" ? `image ${event.imageId}` : `named ${event.tag}`;
}

/** What of a pull's progress is worth a line: not each step of each bar. */
function pullText(message: object): string | undefined {
  const { status, id, progress } = message as { status?: string; id?: string; progress?: string };
  if (status === undefined || progress !== undefined || /^(Downloading|Extracting|Waiting)/.test(status))
    return undefined;
  return id === undefined ? status : `${id}: ${status}`;
}
