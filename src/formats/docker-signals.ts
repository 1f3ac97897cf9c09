import { GantryError } from "#base/errors.ts";

/** Linux signal numbers (x86-64, arm64) by name without SIG. */
const SIGNALS: Readonly<Record<string, number>> = {
  ABRT: 6,
  ALRM: 14,
  BUS: 7,
  CHLD: 17,
  CLD: 17,
  CONT: 18,
  FPE: 8,
  HUP: 1,
  ILL: 4,
  INT: 2,
  IO: 29,
  IOT: 6,
  KILL: 9,
  PIPE: 13,
  POLL: 29,
  PROF: 27,
  PWR: 30,
  QUIT: 3,
  SEGV: 11,
  STKFLT: 16,
  STOP: 19,
  SYS: 31,
  TERM: 15,
  TRAP: 5,
  TSTP: 20,
  TTIN: 21,
  TTOU: 22,
  URG: 23,
  USR1: 10,
  USR2: 12,
  VTALRM: 26,
  WINCH: 28,
  XCPU: 24,
  XFSZ: 25,
};

const RTMIN = 34;
const RTMAX = 64;

/**
 * The number of `SIGTERM`, `term`, `15`, `RTMIN+3` or `RTMAX-1`. Throws `invalid` ("invalid signal: X") as moby/sys/signal does.
 */
export function parseSignal(name: string): number {
  if (/^\d+$/.test(name)) {
    const number = Number(name);
    if (number >= 1 && number <= RTMAX) return number;
    throw invalidSignal(name);
  }
  const bare = name.toUpperCase().replace(/^SIG/, "");
  const number = (Object.hasOwn(SIGNALS, bare) ? SIGNALS[bare] : undefined) ?? realTime(bare);
  if (number === undefined) throw invalidSignal(name);
  return number;
}

function realTime(name: string): number | undefined {
  const match = /^(RTMIN|RTMAX)(?:([+-])(\d{1,2}))?$/.exec(name);
  if (!match) return undefined;
  const offset = Number(match[3] ?? 0) * (match[2] === "-" ? -1 : 1);
  const number = (match[1] === "RTMIN" ? RTMIN : RTMAX) + offset;
  return number >= RTMIN && number <= RTMAX ? number : undefined;
}

function invalidSignal(name: string): GantryError {
  return new GantryError("invalid", `invalid signal: ${name}`, { signal: name });
}
