import type { Api } from "../api.ts";
import type { ListOptions } from "../options.ts";
import { badRequest, failure, invalid } from "../status.ts";

export interface WantedRevision {
  /** Exactly this revision. */
  readonly exact: number | undefined;
  /** This one or newer. */
  readonly atLeast: number;
}

const WAIT_MS = 3000;

/** A resourceVersion as a number: "" and "0" are 0. Throws `invalid` (400). */
export function parseRevision(text = ""): number {
  if (text === "") return 0;
  if (!/^[0-9]{1,16}$/.test(text))
    throw badRequest(
      `Invalid value: ${JSON.stringify(text)}: strconv.ParseUint: parsing ${JSON.stringify(text)}: invalid syntax`,
    );
  return Number(text);
}

/** What resourceVersion and resourceVersionMatch of a list ask for (Kubernetes API concepts, "Resource versions"). */
export function listRevision(
  { resourceVersion, resourceVersionMatch = "" }: ListOptions,
  limit: number,
): WantedRevision {
  const revision = parseRevision(resourceVersion);
  if (resourceVersionMatch !== "") checkMatch(resourceVersion ?? "", resourceVersionMatch);
  const legacyExact = resourceVersionMatch === "" && limit > 0 && revision > 0;
  const exact = resourceVersionMatch === "Exact" || legacyExact ? revision : undefined;
  return { exact, atLeast: revision };
}

function checkMatch(resourceVersion: string, match: string): void {
  const fault = (message: string, field = "resourceVersionMatch"): Error =>
    invalid("meta.k8s.io", "ListOptions", "", [{ field, message, reason: "FieldValueForbidden" }]);
  if (match !== "Exact" && match !== "NotOlderThan") {
    throw fault(`Unsupported value: ${JSON.stringify(match)}: supported values: "Exact", "NotOlderThan", ""`);
  }
  if (resourceVersion === "")
    throw fault("Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided");
  if (match === "Exact" && resourceVersion === "0") {
    throw fault('Forbidden: resourceVersionMatch "exact" is forbidden for resourceVersion "0"');
  }
}

/** Waits until the store has reached `revision`; fails with Kubernetes' "Too large resource version" after three seconds. */
export async function atLeast(api: Api, revision: number): Promise<void> {
  if (api.store.revision >= revision) return;
  await new Promise<void>((resolve, reject) => {
    const watch = api.store.watch("/", api.store.revision, () => {
      if (api.store.revision < revision) return;
      stop();
      resolve();
    });
    const cancel = api.clock.after(WAIT_MS, () => {
      stop();
      reject(tooLargeRevision(revision, api.store.revision));
    });
    const stop = (): void => {
      watch.close();
      cancel();
    };
  });
}

function tooLargeRevision(wanted: number, current: number): Error {
  const message = `Too large resource version: ${wanted}, current: ${current}`;
  const details = {
    causes: [{ reason: "ResourceVersionTooLarge", message: "Too large resource version" }],
    retryAfterSeconds: 1,
  };
  return failure({ code: "timeout", http: 504, reason: "Timeout", message: `Timeout: ${message}`, details });
}
