import { GantryError, isGantryError } from "#base/errors.ts";
import { parseFilters } from "#formats/docker-filters.ts";
import { parseTimestamp } from "#formats/docker-time.ts";
import type { EngineEvent } from "#containers/engine.ts";
import type { Deps } from "../deps.ts";
import { eventDocument, matchesEvent } from "../events/event-document.ts";
import type { Call, Handler } from "../http/call.ts";

/** A client this far behind (bytes not taken yet) is let go: it has to ask again with `since`. */
const BACKLOG_LIMIT_BYTES = 1024 * 1024;

/** GET /events: what is kept since a moment, then live ones until another. */
export function eventsHandler(deps: Deps): Handler {
  return async (call) => {
    const now = deps.clock.now();
    const since = momentOf(call.query.text("since"), now);
    const until = momentOf(call.query.text("until"), now);
    // Unknown fields are let pass, as with Docker.
    const filters = parseFilters(call.query.text("filters"));
    if (since !== undefined && until !== undefined && until < since) {
      throw new GantryError(
        "invalid",
        `\`since\` time (${call.query.text("since")}) cannot be after \`until\` time (${call.query.text("until")})`,
      );
    }
    const { response } = call;
    response.writeHead(200, { "content-type": "application/json" });
    response.flushHeaders();
    const send = (event: EngineEvent): void => {
      if (!matchesEvent(event, filters)) return;
      if (response.writableLength > BACKLOG_LIMIT_BYTES) response.destroy();
      else response.write(`${JSON.stringify(eventDocument(event, call.version))}\n`);
    };
    for (const event of since === undefined ? [] : deps.journal.past(since, until ?? now)) send(event);
    if (until === undefined || until > now)
      await sendLive(deps, call, send, until === undefined ? undefined : until - now);
    response.end();
  };
}

/** Seconds since the epoch, or what the CLI makes of a time. Throws `internal` for words, as Docker does. */
function momentOf(text: string, nowMs: number): number | undefined {
  try {
    return parseTimestamp(text, nowMs);
  } catch (error) {
    if (!isGantryError(error, "invalid")) throw error;
    const reason = `strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`;
    throw new GantryError("internal", reason, { parameter: text }, error);
  }
}

/** Until the client goes, or for `durationMs`. */
async function sendLive(
  deps: Deps,
  { signal }: Call,
  send: (event: EngineEvent) => void,
  durationMs: number | undefined,
): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const stopListening = deps.journal.listen(send);
  const stopTimer = durationMs === undefined ? undefined : deps.clock.after(durationMs, resolve);
  signal.addEventListener("abort", () => resolve(), { once: true });
  if (signal.aborted) resolve();
  await promise;
  stopTimer?.();
  stopListening();
}
