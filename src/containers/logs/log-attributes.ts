import type { ContainerConfig } from "../engine.ts";

/** What a log's `tag` template may name (moby, daemon/logger: Info). */
export interface TagFacts {
  readonly id: string;
  readonly name: string;
  readonly image: string;
  readonly imageId: string;
  readonly command: string;
  readonly daemon: string;
}

const FIELDS: Readonly<Record<string, (facts: TagFacts) => string>> = {
  ID: ({ id }) => id.slice(0, 12),
  FullID: ({ id }) => id,
  Name: ({ name }) => name,
  ImageID: ({ imageId }) => imageId.slice(0, 12),
  ImageFullID: ({ imageId }) => imageId,
  ImageName: ({ image }) => image,
  Command: ({ command }) => command,
  DaemonName: ({ daemon }) => daemon,
};

/** Of `{{.Name}}/{{.ID}}`: the first field that a tag cannot name; undefined when it can be filled in. */
export function unknownTagField(template: string): string | undefined {
  for (const [action, field = ""] of template.matchAll(/\{\{\s*\.?([^}]*?)\s*\}\}/g))
    if (!Object.hasOwn(FIELDS, field)) return action;
  return undefined;
}

export function fillTag(template: string, facts: TagFacts): string {
  return template.replace(/\{\{\s*\.(\w+)\s*\}\}/g, (action, field: string) => FIELDS[field]?.(facts) ?? action);
}

/** The `attrs` of every record of a container's log, as JSON with sorted keys; undefined: none. */
export function logAttributes(log: ContainerConfig["log"], facts: TagFacts): string | undefined {
  const tag = log.tag === undefined ? "" : fillTag(log.tag, facts);
  const all = { ...log.attributes, ...(tag !== "" && { tag }) };
  const entries = Object.entries(all).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return entries.length > 0 ? JSON.stringify(Object.fromEntries(entries)) : undefined;
}

/** What `docker logs --details` shows of them: `a=1,b=2`, escaped as in a query. */
export function detailsText(attributes: Readonly<Record<string, unknown>>): string {
  return Object.entries(attributes)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${queryEscape(key)}=${queryEscape(String(value))}`)
    .join(",");
}

/** As Go's url.QueryEscape. */
function queryEscape(text: string): string {
  return encodeURIComponent(text)
    .replace(/[!'()*]/g, (letter) => `%${letter.charCodeAt(0).toString(16).toUpperCase()}`)
    .replaceAll("%20", "+");
}
