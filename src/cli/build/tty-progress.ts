import type { BuildEvent, BuildVertex } from "#formats/build-events.ts";
import { warningText, type BuildProgress } from "./plain-progress.ts";

type State = "waiting" | "running" | "done" | "cached" | "failed" | "canceled";

interface Row {
  readonly vertex: BuildVertex;
  state: State;
  startedMs: number;
  endedMs: number;
  readonly log: string[];
}

export interface Screen {
  write(text: string): void;
  readonly columns: number;
  readonly rows: number;
  readonly colour: boolean;
}

/** Lines of a running command's output that are shown below it. */
const LOG_LINES = 6;
const FRAME_MS = 100;

/** The graph as BuildKit draws it on a terminal: a line for each step that has begun, redrawn in place. */
export function ttyProgress(screen: Screen, now: () => number): BuildProgress {
  const rows: Row[] = [];
  const notes: string[] = [];
  const beganMs = now();
  let drawnLines = 0;
  let timer: NodeJS.Timeout | undefined;
  const draw = (final: boolean): void => {
    const lines = picture(rows, notes, { elapsedMs: now() - beganMs, nowMs: now(), final, screen });
    screen.write(`${drawnLines > 0 ? `\u001b[${drawnLines}A\u001b[J` : ""}${lines.join("\n")}\n`);
    drawnLines = lines.length;
  };
  return {
    show(event) {
      apply(rows, notes, event, now());
      timer ??= setInterval(() => draw(false), FRAME_MS);
    },
    close() {
      clearInterval(timer);
      if (rows.length > 0 || notes.length > 0) draw(true);
    },
  };
}

function apply(rows: Row[], notes: string[], event: BuildEvent, nowMs: number): void {
  if (event.kind === "plan")
    for (const vertex of event.vertices)
      rows.push({ vertex, state: "waiting", startedMs: nowMs, endedMs: nowMs, log: [] });
  else if (event.kind === "warning") notes.push(`WARN: ${warningText(event.warning)}`);
  else if (event.kind === "result") notes.push(`image ${event.imageId}`);
  else if (event.kind === "tagged") notes.push(`named ${event.tag}`);
  else {
    const row = rows[event.vertex];
    if (row) applyToRow(row, event, nowMs);
  }
}

function applyToRow(row: Row, event: Extract<BuildEvent, { vertex: number }>, nowMs: number): void {
  switch (event.kind) {
    case "started":
      Object.assign(row, { state: "running", startedMs: nowMs });
      return;
    case "cached":
      row.state = "cached";
      return;
    case "log":
      row.log.push(...event.text.split(/[\r\n]+/).filter((line) => line !== ""));
      row.log.splice(0, row.log.length - LOG_LINES);
      return;
    case "pull": {
      const { id, status, progress } = event.message as { id?: string; status?: string; progress?: string };
      row.log.splice(0, row.log.length, [id, status, progress].filter(Boolean).join(" "));
      return;
    }
    case "container":
      return;
    default:
      row.endedMs = nowMs;
      if (row.state !== "cached") row.state = event.kind;
  }
}

interface View {
  readonly elapsedMs: number;
  readonly nowMs: number;
  readonly final: boolean;
  readonly screen: Screen;
}

/** The lines of one frame; when there are more than the terminal has, the oldest finished steps are left out. */
function picture(rows: readonly Row[], notes: readonly string[], view: View): string[] {
  const { screen } = view;
  const ended = rows.filter(({ state }) => state !== "waiting" && state !== "running").length;
  const outcome = view.final ? (rows.some(({ state }) => state === "failed") ? " ERROR" : " FINISHED") : "";
  const head = `[+] Building ${(view.elapsedMs / 1000).toFixed(1)}s (${ended}/${rows.length})${outcome}`;
  const begun = rows.filter(({ state }) => state !== "waiting");
  const body = begun.flatMap((row) => rowLines(row, view));
  const room = Math.max(3, screen.rows - notes.length - 2);
  const shown = view.final ? body : body.slice(-room);
  return [head, ...shown, ...notes.map((note) => note.slice(0, screen.columns - 1))];
}

function rowLines(row: Row, { nowMs, screen }: View): string[] {
  const label = { cached: "CACHED ", failed: "ERROR ", canceled: "CANCELED ", waiting: "", running: "", done: "" }[
    row.state
  ];
  const endMs = row.state === "running" ? nowMs : row.endedMs;
  const time = `${((endMs - row.startedMs) / 1000).toFixed(1)}s`;
  const width = Math.max(20, screen.columns - time.length - 2);
  const line = `${` => ${label}${row.vertex.name}`.slice(0, width).padEnd(width)} ${time}`;
  const log = row.state === "running" || row.state === "failed" ? row.log : [];
  return [paint(line, row.state, screen), ...log.map((text) => ` => => # ${text}`.slice(0, screen.columns - 1))];
}

function paint(line: string, state: State, { colour }: Screen): string {
  if (!colour) return line;
  if (state === "failed") return `\u001b[31m${line}\u001b[0m`;
  return state === "done" || state === "cached" ? `\u001b[34m${line}\u001b[0m` : line;
}
