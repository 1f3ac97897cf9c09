import { GantryError } from "#base/errors.ts";
import { parseTimestamp } from "#formats/docker-time.ts";
import type { Deps } from "../deps.ts";
import { param, type Call, type Handler } from "../http/call.ts";
import { streamType } from "../http/hijack.ts";
import { stream } from "../http/reply.ts";

/** GET /containers/{name}/logs. */
export function logsHandler(deps: Deps): Handler {
  return async (call) => {
    const { query } = call;
    const stdout = query.flag("stdout");
    const stderr = query.flag("stderr");
    if (!stdout && !stderr) throw new GantryError("invalid", "Bad parameters: you must choose at least one stream");
    const { id, config } = deps.engine.get(param(call));
    if (config.log.driver === "none")
      throw new GantryError("unsupported", "configured logging driver does not support reading");
    const source = await deps.engine.logs(id, {
      stdout,
      stderr,
      follow: query.flag("follow"),
      timestamps: query.flag("timestamps"),
      details: query.flag("details"),
      framing: config.terminal ? "raw" : "multiplexed",
      signal: call.signal,
      ...rangeOf(call, deps.clock.now()),
    });
    await stream(call, source, streamType(call, config.terminal));
  };
}

function rangeOf({ query }: Call, nowMs: number): { since?: number; until?: number; tail?: number } {
  const since = parseTimestamp(query.text("since"), nowMs);
  const until = parseTimestamp(query.text("until"), nowMs);
  const tail = query.text("tail");
  return {
    ...(since !== undefined && since !== 0 && { since }),
    ...(until !== undefined && until !== 0 && { until }),
    // Docker takes whatever is no number ("all", "") for everything.
    ...(/^\d{1,15}$/.test(tail) && { tail: Number(tail) }),
  };
}
