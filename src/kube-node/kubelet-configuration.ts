/** A KubeletConfiguration (kubelet.config.k8s.io/v1beta1): the settings that this node honours; others are refused by name. Pure. */
import { parse } from "yaml";
import { errorText, GantryError } from "#base/errors.ts";
import { parseGoDuration } from "#formats/go-duration.ts";
import { evictionConfig, type EvictionConfig } from "./eviction-thresholds.ts";

export interface ShutdownGrace {
  /** How long all pods together may take to end; 0: they are not asked. */
  readonly totalMs: number;
  /** What of it, at its end, is for critical pods. */
  readonly criticalMs: number;
}

export interface KubeletSettings {
  readonly shutdown: ShutdownGrace;
  readonly eviction: EvictionConfig;
  readonly maxPods: number;
  /** Folder of static pods, instead of the root's own. */
  readonly staticPodPath: string | undefined;
}

/** The eviction flags of the command line, which win over the file. */
export interface EvictionFlags {
  readonly hard?: string | undefined;
  readonly soft?: string | undefined;
  readonly softGrace?: string | undefined;
  readonly transition?: string | undefined;
}

/** The kubelet's default. */
const MOST_PODS = 110;

type Document = Readonly<Record<string, unknown>>;

/** `text`: YAML or JSON; undefined: the defaults. Throws `invalid`, and `unsupported` for a setting that is not honoured. */
export function kubeletSettings(text: string | undefined, flags: EvictionFlags): KubeletSettings {
  const document = text === undefined ? {} : read(text);
  for (const [name, value] of Object.entries(document)) checkKnown(name, value);
  const duration = (name: string): number => durationOf(document, name);
  const shutdown = {
    totalMs: duration("shutdownGracePeriod"),
    criticalMs: duration("shutdownGracePeriodCriticalPods"),
  };
  checkShutdown(shutdown);
  const maxPods = document["maxPods"] ?? MOST_PODS;
  if (!Number.isInteger(maxPods) || Number(maxPods) < 1) throw wrong("maxPods", "a number from 1 on");
  const path = document["staticPodPath"];
  if (path !== undefined && path !== "" && !(typeof path === "string" && path.startsWith("/")))
    throw wrong("staticPodPath", "an absolute path");
  const maxGrace = document["evictionMaxPodGracePeriod"] ?? 30;
  if (!Number.isInteger(maxGrace) || Number(maxGrace) < 0)
    throw wrong("evictionMaxPodGracePeriod", "a number of seconds");
  return {
    shutdown,
    eviction: {
      ...evictionConfig({
        hard: flags.hard ?? pairs(document, "evictionHard", "<"),
        soft: flags.soft ?? pairs(document, "evictionSoft", "<"),
        softGrace: flags.softGrace ?? pairs(document, "evictionSoftGracePeriod", "="),
        transition: flags.transition ?? (document["evictionPressureTransitionPeriod"] as string | undefined),
      }),
      maxPodGraceSeconds: Number(maxGrace),
    },
    maxPods: Number(maxPods),
    staticPodPath: typeof path === "string" && path !== "" ? path : undefined,
  };
}

const KNOWN: ReadonlySet<string> = new Set([
  "apiVersion",
  "kind",
  "shutdownGracePeriod",
  "shutdownGracePeriodCriticalPods",
  "evictionHard",
  "evictionSoft",
  "evictionSoftGracePeriod",
  "evictionPressureTransitionPeriod",
  "evictionMaxPodGracePeriod",
  "maxPods",
  "staticPodPath",
]);

/** Pods never swap: what says just that is fine. */
function checkKnown(name: string, value: unknown): void {
  if (KNOWN.has(name)) return;
  if (name === "failSwapOn" && value === false) return;
  if (name === "memorySwap") {
    const { swapBehavior = "", ...rest } = (value ?? {}) as Document;
    if (Object.keys(rest).length === 0 && (swapBehavior === "" || swapBehavior === "NoSwap")) return;
    throw unsupported(`memorySwap.swapBehavior: ${String(swapBehavior)}`, "pods do not swap (NoSwap)");
  }
  throw unsupported(name, `there are ${[...KNOWN].slice(2).join(", ")}`);
}

function read(text: string): Document {
  let document: unknown;
  try {
    document = parse(text, { maxAliasCount: 0 });
  } catch (error) {
    throw new GantryError("invalid", `KubeletConfiguration: ${errorText(error)}`, {}, error);
  }
  if (typeof document !== "object" || document === null || Array.isArray(document))
    throw new GantryError("invalid", "KubeletConfiguration: it is no object");
  const { apiVersion, kind } = document as Document;
  if (apiVersion !== "kubelet.config.k8s.io/v1beta1" || kind !== "KubeletConfiguration")
    throw new GantryError(
      "invalid",
      `KubeletConfiguration: apiVersion and kind are "${String(apiVersion)}", "${String(kind)}", wanted "kubelet.config.k8s.io/v1beta1", "KubeletConfiguration"`,
    );
  return document as Document;
}

function durationOf(document: Document, name: string): number {
  const value = document[name] ?? "0s";
  try {
    if (typeof value === "string") return parseGoDuration(value);
  } catch (error) {
    throw new GantryError("invalid", `KubeletConfiguration: ${name}: ${errorText(error)}`, {}, error);
  }
  throw wrong(name, "a time such as 30s");
}

/** As ValidateKubeletConfiguration. */
function checkShutdown({ totalMs, criticalMs }: ShutdownGrace): void {
  if (criticalMs > totalMs) throw wrong("shutdownGracePeriodCriticalPods", "at most shutdownGracePeriod");
  for (const [name, ms] of [
    ["shutdownGracePeriod", totalMs],
    ["shutdownGracePeriodCriticalPods", criticalMs],
  ] as const)
    if (ms < 0 || (ms > 0 && ms < 1000)) throw wrong(name, "either zero or at least 1 second");
}

/** `{"memory.available": "100Mi"}` as the flags have it: `memory.available<100Mi`. */
function pairs(document: Document, name: string, sign: string): string | undefined {
  const value = document[name];
  if (value === undefined) return undefined;
  if (typeof value !== "object" || value === null) throw wrong(name, "names with values");
  return Object.entries(value)
    .map(([signal, limit]) => `${signal}${sign}${String(limit)}`)
    .join(",");
}

function wrong(name: string, wanted: string): GantryError {
  return new GantryError("invalid", `KubeletConfiguration: ${name} must be ${wanted}`);
}

function unsupported(name: string, instead: string): GantryError {
  return new GantryError("unsupported", `KubeletConfiguration: ${name} is not supported: ${instead}`);
}
