// What a control plane writes, as text that does not depend on random names.
import type { KubeObject } from "../../../src/formats/kube-object.ts";
import type { Write } from "./observed-client.ts";

export interface Transcript {
  note(write: Write, nowMs: number): void;
  text(): string;
}

interface Described extends KubeObject {
  readonly spec?: { readonly replicas?: number; readonly parallelism?: number; readonly suspend?: boolean };
  readonly status?: Readonly<Record<string, unknown>> & {
    readonly conditions?: readonly { readonly type: string; readonly status: string; readonly reason?: string }[];
  };
}

/** Endings that generated names have (apimachinery's alphabet). */
const SUFFIX = /-([bcdfghjklmnpqrstvwxz2456789]{5})$/;

export function transcript(startMs: number): Transcript {
  const lines: string[] = [];
  const names = new Map<string, string>();
  const plain = (name: string): string => {
    if (!SUFFIX.test(name)) return name;
    const known = names.get(name) ?? `${name.replace(SUFFIX, "")}-#${names.size + 1}`;
    names.set(name, known);
    return known;
  };
  return {
    note(write, nowMs) {
      const { verb, resource, subresource, name } = write;
      const at = ((nowMs - startMs) / 1000).toFixed(3).padStart(9);
      const what = subresource === "" ? resource : `${resource}/${subresource}`;
      lines.push(
        `${at}  ${verb.padEnd(6)} ${what.padEnd(28)} ${plain(name).padEnd(24)} ${told(write)}${write.idle ? "  (as it was)" : ""}`.trimEnd(),
      );
    },
    text: () => `${lines.join("\n")}\n`,
  };
}

function told({ verb, subresource, object }: Write): string {
  const { spec = {}, status = {}, metadata } = (object ?? {}) as Described;
  if (verb === "patch") return Object.keys(object ?? {}).join(" ");
  if (verb !== "create" && subresource === "status") return statusText(status);
  const { replicas, parallelism, suspend } = spec;
  const image = (object as { spec?: { containers?: { image?: string }[] } } | undefined)?.spec?.containers?.[0]?.image;
  const fields = { replicas, parallelism, suspend, image, finalizers: metadata?.finalizers?.join() };
  return pairs(fields);
}

function statusText({ conditions = [], ...rest }: NonNullable<Described["status"]>): string {
  const numbers = Object.entries(rest).filter(([key, value]) => typeof value === "number" && key !== "collisionCount");
  const counts = pairs(Object.fromEntries(numbers.toSorted(([a], [b]) => (a < b ? -1 : 1))));
  const states = conditions.map(({ type, status, reason }) => `${type}=${status}${reason ? `(${reason})` : ""}`).sort();
  return [counts, ...states].filter(Boolean).join(" ");
}

function pairs(fields: object): string {
  return Object.entries(fields)
    .filter(([, value]) => value !== undefined && value !== "")
    .map(([key, value]) => `${key}=${String(value)}`)
    .join(" ");
}
