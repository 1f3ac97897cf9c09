import { Buffer } from "node:buffer";
import { detailsText } from "./log-attributes.ts";

/** Which entries of a log are wanted, and how they are written out. */
export interface LogSelection {
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly timestamps: boolean;
  /** Docker's `--details`: the attributes of each record before its line. */
  readonly details: boolean;
  /** Epoch milliseconds, fractions allowed. */
  readonly since?: number;
  readonly until?: number;
  /** Docker's 8-byte frame header before each entry, or the bytes as they were written. */
  readonly framing: "multiplexed" | "raw";
}

export interface LogFormatter {
  /** Takes a piece of a json-file log, returns what is to be sent. An unfinished last line waits for the next piece. */
  push(piece: Buffer): Buffer;
  /** An entry later than `until` has been met: nothing more will come. */
  readonly finished: boolean;
}

/** The longest line that is read; a longer one is damage, and skipped. Docker cuts output at 16 KiB before escaping. */
const LONGEST_LINE_BYTES = 1024 * 1024;

/** `{"log":"` */
const HEAD = 8;
/** `","stream":"stdout","time":"`: what is between the text and the time in a line as the shim writes it. */
const MIDDLE = 28;
/** `2026-01-01T00:00:00.000000000Z`; zeros at the end of the fraction are left out. */
const LONGEST_TIME = 30;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const NEWLINE = 0x0a;

/**
 * Turns json-file lines into Docker's or raw output, without decoding text: half a million lines a second is the aim. The output of
 * a piece is never longer than the piece, because a line's JSON is longer than frame header and timestamp.
 */
export function logFormatter(selection: LogSelection): LogFormatter {
  const since = selection.since === undefined ? undefined : timeText(selection.since);
  const until = selection.until === undefined ? undefined : timeText(selection.until);
  let pending: Buffer = Buffer.alloc(0);
  let skipping = false;
  let finished = false;

  function* lines(piece: Buffer): Generator<readonly [Buffer, number, number]> {
    let start = 0;
    let end = piece.indexOf(NEWLINE);
    if (end >= 0 && (pending.length > 0 || skipping)) {
      const line = Buffer.concat([pending, piece.subarray(0, end)]);
      if (!skipping) yield [line, 0, line.length];
      pending = Buffer.alloc(0);
      skipping = false;
      start = end + 1;
      end = piece.indexOf(NEWLINE, start);
    }
    for (; end >= 0; start = end + 1, end = piece.indexOf(NEWLINE, start)) yield [piece, start, end];
    if (start < piece.length && !skipping) pending = Buffer.concat([pending, piece.subarray(start)]);
    if (pending.length > LONGEST_LINE_BYTES) {
      pending = Buffer.alloc(0);
      skipping = true;
    }
  }

  function write(entry: Entry, out: Buffer, begin: number): number {
    if (since !== undefined && entry.time < since) return begin;
    if (until !== undefined && entry.time > until) {
      finished = true;
      return begin;
    }
    const header = selection.framing === "multiplexed" ? 8 : 0;
    let at = begin + header;
    if (selection.timestamps) at += out.write(`${entry.time} `, at, "latin1");
    if (selection.details) at += out.write(`${entry.details} `, at);
    at = unescape(entry.source, entry.start, entry.end, out, at);
    if (header > 0) writeHeader(out, begin, entry.stderr, at - begin - header);
    return at;
  }

  const needsTime = selection.timestamps || since !== undefined || until !== undefined;
  return {
    get finished() {
      return finished;
    },
    push(piece) {
      // Attributes are escaped: three bytes for one at most.
      const out = Buffer.allocUnsafe((piece.length + pending.length) * (selection.details ? 3 : 1));
      let at = 0;
      for (const [source, start, end] of lines(piece)) {
        const entry = quickEntry(source, start, end, needsTime) ?? parsedEntry(source, start, end);
        if (!entry || !(entry.stderr ? selection.stderr : selection.stdout)) continue;
        at = write(entry, out, at);
        if (finished) break;
      }
      return out.subarray(0, at);
    },
  };
}

interface Entry {
  readonly source: Buffer;
  /** The escaped text's place in `source`. */
  readonly start: number;
  readonly end: number;
  readonly stderr: boolean;
  /** Always nine digits of a second; empty when no one asked. */
  readonly time: string;
  readonly details: string;
}

/**
 * The line as the shim writes it. Unescaped, `","s` cannot be inside the text, so finding it where the text must end is proof.
 */
function quickEntry(source: Buffer, start: number, end: number, needsTime: boolean): Entry | undefined {
  let time = end - 2;
  const first = time - LONGEST_TIME;
  while (time > first && source[time - 1] !== QUOTE) time--;
  const text = time - MIDDLE;
  if (text < start + HEAD) return undefined;
  const matches =
    source[text] === QUOTE &&
    source[text + 1] === 0x2c &&
    source[text + 2] === QUOTE &&
    source[text + 3] === 0x73 &&
    source[time] === 0x32;
  if (!matches || source[start + HEAD - 1] !== QUOTE) return undefined;
  const timeText = needsTime ? nineDigits(source.toString("latin1", time, end - 2)) : "";
  // s-t-d-o-u-t, s-t-d-e-r-r
  return { source, start: start + HEAD, end: text, stderr: source[text + 15] === 0x65, time: timeText, details: "" };
}

/** Any other JSON document with the fields of Docker's json-file driver; undefined for damage. */
function parsedEntry(source: Buffer, start: number, end: number): Entry | undefined {
  let document: { log?: unknown; stream?: unknown; time?: unknown; attrs?: unknown };
  try {
    document = JSON.parse(source.toString("utf8", start, end)) as typeof document;
  } catch {
    // A line torn by a crash: the entries around it are sound.
    return undefined;
  }
  if (typeof document !== "object" || document === null) return undefined;
  const text = Buffer.from(JSON.stringify(typeof document.log === "string" ? document.log : "").slice(1, -1));
  const time = typeof document.time === "string" ? nineDigits(document.time) : "";
  const { attrs } = document;
  const details = typeof attrs === "object" && attrs !== null ? detailsText(attrs as Record<string, unknown>) : "";
  return { source: text, start: 0, end: text.length, stderr: document.stream === "stderr", time, details };
}

/** 2026-01-01T00:00:00.12Z becomes 2026-01-01T00:00:00.120000000Z, so that times compare as text. */
function nineDigits(time: string): string {
  if (time.length === LONGEST_TIME) return time;
  const fraction = /\.(\d+)/.exec(time)?.[1] ?? "";
  return `${time.slice(0, 19)}.${fraction.padEnd(9, "0").slice(0, 9)}Z`;
}

/** Epoch milliseconds as RFC 3339 with nanoseconds, in UTC. */
export function timeText(epochMs: number): string {
  const whole = Math.floor(epochMs);
  const nanos = Math.round((epochMs - whole) * 1e6);
  return `${new Date(whole).toISOString().slice(0, -1)}${String(Math.min(nanos, 999_999)).padStart(6, "0")}Z`;
}

function writeHeader(out: Buffer, at: number, stderr: boolean, length: number): void {
  out[at] = stderr ? 2 : 1;
  out[at + 1] = out[at + 2] = out[at + 3] = 0;
  out.writeUInt32BE(length, at + 4);
}

/** Copies JSON string content, undoing its escapes; returns where the copy ends. */
function unescape(source: Buffer, start: number, end: number, out: Buffer, at: number): number {
  let from = start;
  let to = at;
  while (from < end) {
    // Runs between escapes are short in logs that are JSON themselves: byte by byte is faster there than a call.
    const near = Math.min(end, from + SHORT_RUN);
    while (from < near && source[from] !== BACKSLASH) out[to++] = source[from++] ?? 0;
    if (from === end) break;
    let slash = source[from] === BACKSLASH ? from : source.indexOf(BACKSLASH, from);
    if (slash < 0 || slash > end) slash = end;
    if (slash > from) to += source.copy(out, to, from, slash);
    if (slash === end) break;
    const letter = source[slash + 1] ?? 0;
    if (letter !== 0x75) {
      out[to++] = SHORT_ESCAPES[letter] ?? letter;
      from = slash + 2;
      continue;
    }
    // Surrogate pairs are written as two \u escapes in a row, and must be decoded together.
    const pair = source[slash + 6] === BACKSLASH && source[slash + 7] === 0x75 && slash + 12 <= end;
    const first = Number.parseInt(source.toString("latin1", slash + 2, slash + 6), 16);
    const isHigh = pair && first >= 0xd800 && first < 0xdc00;
    const second = isHigh ? Number.parseInt(source.toString("latin1", slash + 8, slash + 12), 16) : 0;
    to += out.write(isHigh ? String.fromCharCode(first, second) : String.fromCharCode(first), to);
    from = slash + (isHigh ? 12 : 6);
  }
  return to;
}

const SHORT_RUN = 24;
/** \b \f \n \r \t; the others (quote, backslash, slash) stand for themselves. */
const SHORT_ESCAPES: Readonly<Record<number, number>> = { 0x62: 8, 0x66: 12, 0x6e: 10, 0x72: 13, 0x74: 9 };
