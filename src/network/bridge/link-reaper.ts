/**
 * Removes the host's ends of containers' links. The kernel takes some 20 ms to forget a link, and does it by itself, many at
 * once, when a container's namespace dies: so a link is cut off at once, and removed a little later if it is still there.
 */
import type { Clock } from "#base/clock.ts";
import type { Logger } from "#base/logger.ts";
import type { Rtnetlink } from "#linux/rtnetlink.ts";
import { errorText } from "#base/errors.ts";
import { here, type Within } from "../within.ts";

const GRACE_MS = 200;

export interface LinkReaper {
  /** Cuts the link off from its bridge; harmless when it is gone. */
  cut(link: string): void;
  /** Removes what was cut off; resolves when it is gone. */
  flush(): Promise<void>;
}

/** `group`: a number that marks the links to be removed, of this instance only. */
export function linkReaper(
  rtnetlink: Rtnetlink,
  clock: Clock,
  group: number,
  logger: Logger,
  within: Within = here,
): LinkReaper {
  const cut = new Set<string>();
  let cancel: (() => void) | undefined;
  let running: Promise<void> = Promise.resolve();
  const reap = async (): Promise<void> => {
    const left = Array.from(cut).flatMap((name) => rtnetlink.link(name) ?? []);
    cut.clear();
    if (left.length === 0) return;
    for (const { index } of left) rtnetlink.setLink(index, { group });
    let removal: Promise<void> = Promise.resolve();
    // Its socket is opened where the links are; the rest goes on by itself.
    within(() => void (removal = rtnetlink.deleteGroupLater(group)));
    await removal;
  };
  const flush = (): Promise<void> => {
    cancel?.();
    cancel = undefined;
    running = running.then(reap).catch((error: unknown) => {
      // Whatever is left is found, as a port of a bridge that belongs to nobody, at the next start.
      logger.warn({ error: errorText(error) }, "could not remove links of stopped containers");
    });
    return running;
  };
  return {
    cut(name) {
      const link = rtnetlink.link(name);
      if (!link) return;
      if (link.master !== 0) rtnetlink.setPort(link.index, { closed: true });
      cut.add(name);
      cancel ??= clock.after(GRACE_MS, () => void flush());
    },
    flush,
  };
}
