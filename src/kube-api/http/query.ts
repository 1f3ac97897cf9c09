// Options of requests, from query strings and bodies.
import type { FieldValidation } from "#formats/kube-decode.ts";
import { isJsonObject } from "#formats/tree.ts";
import type { DeleteOptions, ListOptions, PropagationPolicy, WatchOptions } from "../options.ts";
import { badRequest, invalid } from "../status.ts";

const PROPAGATION: readonly PropagationPolicy[] = ["Foreground", "Background", "Orphan"];
const VALIDATION: readonly FieldValidation[] = ["Ignore", "Warn", "Strict"];
const MAX_MANAGER_LENGTH = 128;

export function isTrue(value: string | null): boolean {
  return (
    value === "" ||
    value === "true" ||
    value === "1" ||
    value === "True" ||
    value === "TRUE" ||
    value === "t" ||
    value === "T"
  );
}

export function listOptions(query: URLSearchParams): ListOptions {
  const text = (name: string): string | undefined => query.get(name) ?? undefined;
  const limit = integer(query, "limit");
  return dropUndefined({
    labelSelector: text("labelSelector"),
    fieldSelector: text("fieldSelector"),
    limit: limit !== undefined && limit < 0 ? undefined : limit,
    continue: text("continue"),
    resourceVersion: text("resourceVersion"),
    resourceVersionMatch: text("resourceVersionMatch"),
  });
}

export function watchOptions(query: URLSearchParams): WatchOptions {
  const { limit: _, continue: __, ...selection } = listOptions(query);
  return dropUndefined({
    ...selection,
    allowWatchBookmarks: isTrue(query.get("allowWatchBookmarks")),
    sendInitialEvents: query.has("sendInitialEvents") ? isTrue(query.get("sendInitialEvents")) : undefined,
    timeoutSeconds: integer(query, "timeoutSeconds"),
  });
}

/** DeleteOptions of the body, or else of the query. */
export function deleteOptions(query: URLSearchParams, body: unknown): DeleteOptions & { dryRun: boolean } {
  const given = isJsonObject(body) && Object.keys(body).length > 0 ? body : undefined;
  const grace = given ? given["gracePeriodSeconds"] : integer(query, "gracePeriodSeconds");
  const policy = given ? given["propagationPolicy"] : (query.get("propagationPolicy") ?? undefined);
  const orphan = given
    ? given["orphanDependents"]
    : query.has("orphanDependents")
      ? isTrue(query.get("orphanDependents"))
      : undefined;
  const preconditions = given?.["preconditions"];
  checkDelete(grace, policy, orphan);
  return dropUndefined({
    gracePeriodSeconds: (grace ?? undefined) as number | undefined,
    propagationPolicy: (policy ?? undefined) as PropagationPolicy | undefined,
    orphanDependents: (orphan ?? undefined) as boolean | undefined,
    preconditions: isJsonObject(preconditions)
      ? (preconditions as NonNullable<DeleteOptions["preconditions"]>)
      : undefined,
    dryRun: dryRun(given ? asList(given["dryRun"]) : query.getAll("dryRun")),
  });
}

function checkDelete(grace: unknown, policy: unknown, orphan: unknown): void {
  const wrong = (field: string, message: string): Error =>
    invalid("meta.k8s.io", "DeleteOptions", "", [{ field, message, reason: "FieldValueInvalid" }]);
  if (grace !== undefined && grace !== null && !Number.isSafeInteger(grace))
    throw badRequest("gracePeriodSeconds must be an integer");
  if (orphan !== undefined && orphan !== null && typeof orphan !== "boolean")
    throw badRequest("orphanDependents must be a boolean");
  if (policy === undefined || policy === null) return;
  if (!PROPAGATION.some((known) => known === policy)) {
    const list = '"Foreground", "Background", "Orphan"';
    throw wrong("propagationPolicy", `Unsupported value: ${JSON.stringify(policy)}: supported values: ${list}`);
  }
}

function asList(value: unknown): string[] {
  return Array.isArray(value) ? value.map(String) : [];
}

/** `dryRun=All`. Throws 422 for anything else. */
export function dryRun(values: readonly string[]): boolean {
  for (const value of values) {
    if (value === "All") continue;
    const message = `Unsupported value: ${JSON.stringify(value)}: supported values: "All"`;
    throw invalid("meta.k8s.io", "CreateOptions", "", [{ field: "dryRun", message, reason: "FieldValueNotSupported" }]);
  }
  return values.length > 0;
}

/** `fieldValidation`; Warn when it is not said. */
export function fieldValidation(query: URLSearchParams): FieldValidation {
  const value = query.get("fieldValidation") ?? "";
  if (value === "") return "Warn";
  const known = VALIDATION.find((one) => one === value);
  if (known) return known;
  const message = `Unsupported value: ${JSON.stringify(value)}: supported values: "Ignore", "Strict", "Warn"`;
  throw invalid("meta.k8s.io", "CreateOptions", "", [
    { field: "fieldValidation", message, reason: "FieldValueNotSupported" },
  ]);
}

/** The manager of the fields: as the client says, or its name up to the first slash. */
export function fieldManager(query: URLSearchParams, userAgent = ""): string {
  const given = query.get("fieldManager") ?? "";
  if (given === "") return printable(userAgent.split("/", 1)[0] ?? "").slice(0, MAX_MANAGER_LENGTH) || "unknown";
  const faults = [];
  if (given.length > MAX_MANAGER_LENGTH) faults.push(`Too long: may not be more than ${MAX_MANAGER_LENGTH} bytes`);
  if (printable(given) !== given)
    faults.push(`Invalid value: ${JSON.stringify(given)}: should only contain printable characters`);
  if (faults.length === 0) return given;
  throw invalid(
    "meta.k8s.io",
    "CreateOptions",
    "",
    faults.map((message) => ({ field: "fieldManager", message, reason: "FieldValueInvalid" })),
  );
}

function printable(text: string): string {
  return text.replaceAll(/\p{C}/gu, "");
}

function integer(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  if (text === null || text === "") return undefined;
  if (!/^-?[0-9]{1,18}$/.test(text))
    throw badRequest(`strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`);
  return Number(text);
}

function dropUndefined<T extends object>(options: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>;
  };
}
