/** What is by nature different in each run (ids, times, addresses of hardware, places on disk) gets a name instead. */
import { deliberate } from "./deliberate.ts";

export interface Places {
  readonly directory: string;
  readonly root: string;
}

const RULES: readonly (readonly [RegExp, string])[] = [
  [/sha256:[0-9a-f]{64}/g, "<digest>"],
  [/\b[0-9a-f]{64}\b/g, "<id>"],
  [/\bbr-[0-9a-f]{12}\b/g, "br-<short>"],
  [/(?<![0-9a-f:.-])(?=[0-9]*[a-f])(?=[a-f]*[0-9])[0-9a-f]{12}(?![0-9a-f-])/g, "<short>"],
  [/(?!0001-01-01T)\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)/g, "<time>"],
  [/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)? \+0000 UTC/g, "<time>"],
  [/(?:\d+|Less than a|About a) (?:second|minute|hour)s?/g, "<while>"],
  [/(?!02:00:00:)(?:[0-9a-f]{2}:){5}[0-9a-f]{2}/g, "<mac>"],
  [/from 0\.01 to \d+\.00, as there are only \d+ CPUs/g, "from 0.01 to <cpus>.00, as there are only <cpus> CPUs"],
  [/available: 0-\d+/g, "available: 0-<cpu>"],
  [/"(time|timeNano|Created)": \d+/g, '"$1": <time>'],
  [/endpoint [a-z]+_[a-z]+ \(/g, "endpoint <name> ("],
  [/execDuration(=|":")\d+/g, "execDuration$1<n>"],
  [/"Pid": [1-9]\d*/g, '"Pid": <pid>'],
];

/** `docker cp` tells of its own pipe, or does not: it is a race in the client. */
const CLIENT_NOISE = /^time="<time>" level=error msg="Can't (?:add file|close tar).*\n/gm;

/** The text with JSON documents in a fixed order of keys, names for what differs, and columns that do not depend on widths. */
export function normalise(text: string, { directory, root }: Places): string {
  let plain = documents(text).replaceAll(directory, "<dir>").replaceAll(root, "<root>");
  for (const [pattern, name] of RULES) plain = plain.replace(pattern, name);
  for (const { pattern, both } of deliberate) plain = plain.replace(pattern, both);
  return plain.replace(CLIENT_NOISE, "").replace(/(?<=\S)[ \t]{2,}/g, "  ");
}

/** Documents on their own or one a line, with sorted keys; other text as it is. */
function documents(text: string): string {
  const whole = document(text);
  if (whole !== undefined) return whole;
  return text
    .split("\n")
    .map((line) => document(line) ?? line)
    .join("\n");
}

function document(text: string): string | undefined {
  if (!/^\s*[[{]/.test(text)) return undefined;
  try {
    return JSON.stringify(sorted(JSON.parse(text)), undefined, 2);
  } catch {
    return undefined;
  }
}

/** dockerd lists ports (`ps`) and mounts in no order. */
const isUnordered = (value: unknown): boolean =>
  typeof value === "object" && value !== null && ("PrivatePort" in value || "Destination" in value);
const byText = (a: unknown, b: unknown): number => JSON.stringify(a).localeCompare(JSON.stringify(b));

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return (value.every(isUnordered) ? value.toSorted(byText) : value).map(sorted);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, each]) => [key, sorted(each)]),
  );
}
