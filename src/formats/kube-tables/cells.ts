// What the cells of the API server's tables share (k8s.io/kubernetes/pkg/printers, k8s.io/apimachinery/pkg/util/duration).
import type { LabelSelector, PodTemplateSpec } from "../kube-types.generated.ts";
import { formatSelector, selectorOf } from "../selectors.ts";

export type Cell = string | number | boolean | null;

export interface TableColumn {
  readonly name: string;
  readonly type: "string" | "integer" | "number" | "boolean" | "date";
  /** `name` marks the column that `kubectl get -o name` prints. */
  readonly format: string;
  readonly description: string;
  /** 0 is always shown, 1 with `-o wide`. */
  readonly priority: number;
}

/** How objects of one kind look in a table. */
export interface KubeTable {
  readonly columns: readonly TableColumn[];
  /** One row's cells, wide ones too. `now` is epoch milliseconds: ages are relative to it. */
  cells(object: never, now: number): Cell[];
  /** A row's conditions: `kubectl get` greys out what is completed. */
  conditions?(object: never): { type: string; status: string; reason: string; message: string }[];
}

const NAME = "Name must be unique within a namespace. Is required when creating resources.";
const AGE = "Time since the object was created.";

/** A column from `Title`, `Title:integer`, with `+` in front for wide output. */
export function column(spec: string): TableColumn {
  const wide = spec.startsWith("+");
  const [name = "", type = "string"] = (wide ? spec.slice(1) : spec).split(":");
  return {
    name,
    type: type as TableColumn["type"],
    format: name === "Name" ? "name" : "",
    description: name === "Name" ? NAME : name === "Age" ? AGE : "",
    priority: wide ? 1 : 0,
  };
}

export function columns(...specs: readonly string[]): TableColumn[] {
  return specs.map(column);
}

export const NONE = "<none>";
export const UNSET = "<unset>";
export const UNKNOWN = "<unknown>";

/** Short text of a span of time: `5s`, `3m20s`, `2h`, `5d3h`, `2y10d`. */
export function humanDuration(ms: number): string {
  const seconds = Math.trunc(ms / 1000);
  if (seconds < -1) return "<invalid>";
  if (seconds < 0) return "0s";
  if (seconds < 120) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 10) return two(minutes, "m", seconds % 60, "s");
  if (minutes < 180) return `${minutes}m`;
  const hours = Math.floor(minutes / 60);
  if (hours < 8) return two(hours, "h", minutes % 60, "m");
  if (hours < 48) return `${hours}h`;
  const days = Math.floor(hours / 24);
  if (days < 8) return two(days, "d", hours % 24, "h");
  if (days < 730) return `${days}d`;
  const years = Math.floor(days / 365);
  return years < 8 ? two(years, "y", days % 365, "d") : `${years}y`;
}

function two(large: number, unit: string, small: number, smallUnit: string): string {
  return small === 0 ? `${large}${unit}` : `${large}${unit}${small}${smallUnit}`;
}

/** How long ago a time was. */
export function since(time: string | undefined, now: number): string {
  return time === undefined ? UNKNOWN : humanDuration(now - Date.parse(time));
}

export function age(object: { metadata: { creationTimestamp?: string } }, now: number): string {
  return since(object.metadata.creationTimestamp, now);
}

/** `a=b,c=d` */
export function labelText(labels: Readonly<Record<string, string>> | undefined): string {
  const entries = Object.entries(labels ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  return entries.length === 0 ? NONE : entries.map(([key, value]) => `${key}=${value}`).join(",");
}

export function selectorText(selector: LabelSelector | undefined): string {
  return (selector ? formatSelector(selectorOf(selector)) : "") || NONE;
}

/** Names and images of a template's containers. */
export function containerCells(template: PodTemplateSpec | undefined): [string, string] {
  const containers = template?.spec?.containers ?? [];
  return [containers.map(({ name }) => name).join(","), containers.map(({ image }) => image ?? "").join(",")];
}

/** Go's strconv-like booleans of pointers. */
export function booleanText(value: boolean | undefined): string {
  return value === undefined ? UNSET : value ? "True" : "False";
}

/** The first `most` items, and how many more there are. */
export function listText(items: readonly string[], most: number, empty: string): string {
  if (items.length === 0) return empty;
  const shown = items.slice(0, most).join(",");
  return items.length > most ? `${shown} + ${items.length - most} more...` : shown;
}

const ACCESS_MODES: Readonly<Record<string, string>> = {
  ReadWriteOnce: "RWO",
  ReadOnlyMany: "ROX",
  ReadWriteMany: "RWX",
  ReadWriteOncePod: "RWOP",
};

export function accessModesText(modes: readonly string[] | undefined): string {
  return [...new Set(modes)].flatMap((mode) => ACCESS_MODES[mode] ?? []).join(",");
}
