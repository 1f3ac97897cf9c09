/** Removes images that the kubelet pulled and nobody uses any more, when the disk fills. Images that came otherwise are somebody's own. */
import { readFileSync } from "node:fs";
import { rename, statfs, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "#base/clock.ts";
import { errorText, isGantryError } from "#base/errors.ts";
import type { Logger } from "#base/logger.ts";
import type { Engine } from "#containers/engine.ts";
import type { ImageStore } from "#images/image-store.ts";

export interface ImageGc {
  /** The kubelet pulled this image. */
  pulled(imageId: string): void;
  /** Removes every image of ours that is not used; true when there was one. */
  reclaim(): Promise<boolean>;
  close(): void;
}

export interface ImageGcDeps {
  readonly dataDir: string;
  readonly images: ImageStore;
  /** All containers of the machine: an image may be used by another node, or by Docker's. */
  readonly engine: Pick<Engine, "list">;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** The kubelet's settings: looked at every 5 minutes; above 85 % the longest unused go until it is below 80 %; none younger than 2 minutes. */
const INTERVAL_MS = 300_000;
const HIGH = 0.85;
const LOW = 0.8;
const YOUNGEST_MS = 120_000;
/** Images remembered; the store itself holds no more. */
const MOST_IMAGES = 20_000;

export function startImageGc(deps: ImageGcDeps): ImageGc {
  const { clock, images, engine, logger } = deps;
  const file = join(deps.dataDir, "pulled-images.json");
  const own = new Set(readIds(file));
  /** When each was last seen in use, or first seen. */
  const lastUsed = new Map<string, number>();
  let writing: Promise<void> = Promise.resolve();
  let closed = false;
  let cancel: () => void = () => undefined;
  const save = (): void => {
    const text = JSON.stringify([...own].slice(-MOST_IMAGES));
    writing = writing
      .then(() => writeFile(`${file}.new`, text, { mode: 0o600 }))
      .then(() => rename(`${file}.new`, file))
      .catch((error: unknown) => logger.warn({ error: errorText(error) }, "pulled images not written down"));
  };
  const remove = async (id: string): Promise<boolean> => {
    try {
      await images.remove(id, { force: false, prune: true });
    } catch (error) {
      // Used meanwhile, gone already, or with names of somebody's own.
      if (!isGantryError(error)) throw error;
      if (!isGantryError(error, "not-found")) return false;
    }
    own.delete(id);
    lastUsed.delete(id);
    save();
    return true;
  };
  /** The longest unused first. */
  const unused = (): string[] => {
    const now = clock.now();
    const used = new Set(engine.list().map(({ config }) => config.imageId));
    for (const id of own) if (used.has(id) || !lastUsed.has(id)) lastUsed.set(id, now);
    return [...own]
      .filter((id) => !used.has(id) && now - (lastUsed.get(id) ?? now) >= YOUNGEST_MS)
      .toSorted((a, b) => (lastUsed.get(a) ?? 0) - (lastUsed.get(b) ?? 0));
  };
  const fill = async (): Promise<number> => {
    const { blocks, bavail } = await statfs(deps.dataDir);
    return 1 - bavail / blocks;
  };
  const look = async (): Promise<void> => {
    const candidates = unused();
    if ((await fill()) < HIGH) return;
    for (const id of candidates) {
      if (closed || (await fill()) < LOW) return;
      await remove(id);
    }
  };
  const again = (): void => {
    if (closed) return;
    cancel = clock.after(INTERVAL_MS, () => {
      look()
        .catch((error: unknown) => logger.warn({ error: errorText(error) }, "images not collected"))
        .finally(again);
    });
  };
  again();
  return {
    pulled(id) {
      lastUsed.set(id, clock.now());
      if (own.has(id)) return;
      own.add(id);
      save();
    },
    async reclaim() {
      let any = false;
      for (const id of unused()) any = (await remove(id)) || any;
      return any;
    },
    close() {
      closed = true;
      cancel();
    },
  };
}

function readIds(file: string): string[] {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as string[];
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}
