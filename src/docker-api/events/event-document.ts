import { matchesExactly, matchesLabels, type Filters } from "#formats/docker-filters.ts";
import type { EngineEvent } from "#containers/engine.ts";

/** Docker's event message. `status`, `id` and `from` are the old form, until API 1.51. */
export function eventDocument(event: EngineEvent, version: number): object {
  const { type, action, actorId, attributes, timeNanos } = event;
  const old = version < 52 && (type === "container" || type === "image");
  return {
    ...(old && {
      status: action,
      id: actorId,
      ...(attributes["image"] !== undefined && { from: attributes["image"] }),
    }),
    Type: type,
    Action: action,
    Actor: { ID: actorId, Attributes: attributes },
    scope: "local",
    time: Number(timeNanos / 1_000_000_000n),
    timeNano: exactNumber(timeNanos),
  };
}

/** Nanoseconds are past 2^53: they go into the JSON text digit by digit. */
function exactNumber(value: bigint): unknown {
  return (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON(String(value));
}

/** Whether an event is among those asked for. */
export function matchesEvent(event: EngineEvent, filters: Filters): boolean {
  const { type, action, actorId, attributes } = event;
  const bareAction = action.split(":", 1)[0] ?? action;
  return (
    (matchesExactly(filters, "event", action) || matchesExactly(filters, "event", bareAction)) &&
    matchesExactly(filters, "type", type) &&
    matchesExactly(filters, "scope", "local") &&
    matchesLabels(filters, "label", attributes) &&
    matchesActor(event, filters, "container", [actorId, attributes["name"]]) &&
    matchesActor(event, filters, "volume", [actorId]) &&
    matchesActor(event, filters, "network", [actorId, attributes["name"]]) &&
    matchesActor(event, filters, "daemon", [actorId, attributes["name"]]) &&
    matchesImage(event, filters) &&
    ["node", "plugin", "service", "secret", "config"].every((kind) => !filters.get(kind)?.length)
  );
}

function matchesActor(
  event: EngineEvent,
  filters: Filters,
  kind: string,
  names: readonly (string | undefined)[],
): boolean {
  const wanted = filters.get(kind) ?? [];
  if (wanted.length === 0) return true;
  if (event.type !== kind) return false;
  return wanted.some((value) =>
    names.some((name) => name === value || (name?.startsWith(value) && name === event.actorId)),
  );
}

/** An image is asked for by id or name, with or without its tag; events of its containers count too. */
function matchesImage(event: EngineEvent, filters: Filters): boolean {
  const wanted = filters.get("image") ?? [];
  if (wanted.length === 0) return true;
  const names =
    event.type === "image"
      ? [event.actorId, event.attributes["name"]]
      : event.type === "container"
        ? [event.attributes["image"]]
        : [];
  return wanted.some((value) => names.some((name) => name === value || name?.replace(/:[^:/]+$/, "") === value));
}
