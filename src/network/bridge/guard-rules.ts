/** Puts rules back as soon as somebody else has flushed them (CVE-2025-54388: a firewall's reload must not open anything). */
import type { Clock } from "#base/clock.ts";
import { errorText } from "#base/errors.ts";
import type { Logger } from "#base/logger.ts";
import { watchForeignChanges } from "#linux/nftables.ts";
import { here, type Within } from "../within.ts";

/** Somebody who removes our rules again and again is answered this often. */
const PAUSE_MS = 1_000;

/** The result stops watching. */
export function guardRules(
  rules: { verify(): boolean },
  clock: Clock,
  logger: Logger,
  within: Within = here,
): () => void {
  let pausing: (() => void) | undefined;
  let missed = false;
  const look = (): void => {
    if (pausing) {
      missed = true;
      return;
    }
    try {
      if (!within(() => rules.verify())) return;
    } catch (error) {
      logger.error({ error: errorText(error) }, "could not put the firewall rules back");
    }
    pausing = clock.after(PAUSE_MS, () => {
      pausing = undefined;
      if (!missed) return;
      missed = false;
      look();
    });
  };
  const unwatch = watchForeignChanges(look, within);
  return () => {
    unwatch();
    pausing?.();
  };
}
