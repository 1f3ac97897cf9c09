import { GantryError } from "#base/errors.ts";
import { parseDuration } from "../docker-time.ts";
import type { HealthcheckConfig } from "../image-config.ts";
import { parseFlags } from "./flags.ts";
import type { RawInstruction } from "./lines.ts";
import { parseJsonForm } from "./words.ts";

const TIMES = [
  ["interval", "Interval"],
  ["timeout", "Timeout"],
  ["start-period", "StartPeriod"],
  ["start-interval", "StartInterval"],
] as const;

/** `HEALTHCHECK NONE`, or `HEALTHCHECK [--interval=...] CMD ...`. Throws `invalid` in BuildKit's words. */
export function parseHealthcheck(raw: RawInstruction): HealthcheckConfig {
  const [, type = "", rest = ""] = /^(\S*)\s*([\s\S]*)$/.exec(raw.rest) ?? [];
  if (type === "") throw new GantryError("invalid", "HEALTHCHECK requires at least one argument");
  if (type.toUpperCase() === "NONE") {
    if (rest !== "") throw new GantryError("invalid", "HEALTHCHECK NONE takes no arguments");
    return { Test: ["NONE"] };
  }
  if (type.toUpperCase() !== "CMD")
    throw new GantryError("invalid", `Unknown type ${JSON.stringify(type)} in HEALTHCHECK (try CMD)`);
  const flags = parseFlags(raw.flags, { texts: [...TIMES.map(([flag]) => flag), "retries"] });
  const exec = parseJsonForm(rest);
  if (exec ? exec.length === 0 : rest === "") throw new GantryError("invalid", "Missing command after HEALTHCHECK CMD");
  const check: HealthcheckConfig = { Test: exec ? ["CMD", ...exec] : ["CMD-SHELL", rest] };
  for (const [flag, field] of TIMES) {
    const nanos = durationNanos(flag, flags.text(flag));
    if (nanos > 0) check[field] = nanos;
  }
  const retries = retriesOf(flags.text("retries"));
  if (retries > 0) check.Retries = retries;
  return check;
}

function durationNanos(flag: string, text: string | undefined): number {
  if (text === undefined || text === "") return 0;
  const ms = parseDuration(text);
  if (ms === undefined) throw new GantryError("invalid", `time: invalid duration ${JSON.stringify(text)}`, { flag });
  if (ms !== 0 && ms < 1)
    throw new GantryError("invalid", `Interval ${JSON.stringify(flag)} cannot be less than 1ms`, { flag });
  return Math.round(ms * 1e6);
}

function retriesOf(text: string | undefined): number {
  if (text === undefined || text === "") return 0;
  if (!/^-?\d{1,9}$/.test(text))
    throw new GantryError("invalid", `strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`, {
      flag: "retries",
    });
  if (Number(text) < 0) throw new GantryError("invalid", `--retries cannot be negative (${text})`, { flag: "retries" });
  return Number(text);
}
