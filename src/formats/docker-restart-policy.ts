import { GantryError } from "#base/errors.ts";

export type RestartRule =
  | { readonly kind: "no" | "always" | "unless-stopped" }
  | { readonly kind: "on-failure"; readonly maximumRetries: number };

/** Docker's RestartPolicy document, checked with Docker's words (moby api/types/container/hostconfig.go ValidateRestartPolicy). */
export function parseRestartPolicy(
  document: { Name?: string; MaximumRetryCount?: number } | undefined,
  autoRemove: boolean,
): RestartRule {
  const name = document?.Name ?? "";
  const retries = document?.MaximumRetryCount ?? 0;
  if (autoRemove && name !== "" && name !== "no")
    throw new GantryError("invalid", "can't create 'AutoRemove' container with restart policy");
  switch (name) {
    case "":
      return { kind: "no" }; // a count without a name is let pass for old clients
    case "no":
    case "always":
    case "unless-stopped":
      if (retries !== 0) throw onlyOnFailure(retries);
      return { kind: name };
    case "on-failure":
      if (retries < 0)
        throw new GantryError("invalid", "invalid restart policy: maximum retry count cannot be negative");
      return { kind: "on-failure", maximumRetries: retries };
    default:
      throw new GantryError(
        "invalid",
        `invalid restart policy: unknown policy '${name}'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'`,
      );
  }
}

function onlyOnFailure(retries: number): GantryError {
  const negative = retries < 0 ? " and cannot be negative" : "";
  return new GantryError(
    "invalid",
    `invalid restart policy: maximum retry count can only be used with 'on-failure'${negative}`,
  );
}
