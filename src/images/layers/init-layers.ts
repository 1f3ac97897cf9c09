import { existsSync, readlinkSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { hexId } from "#base/ids.ts";
import type { WorkerPool } from "../worker/pool.ts";
import { INIT_SUFFIX, initTarget, NO_IMAGE, type Layer } from "./layer-files.ts";
import { chainName, type Places } from "./places.ts";
import type { Trash } from "./trash.ts";

/** The layers of mount points, one for each image's top layer, made when first needed. */
export interface InitLayers {
  /** The link to the init layer over `top`; `shown` are the links of the layers below, from top to bottom. */
  ensure(top: Layer | undefined, shown: readonly string[]): Promise<string>;
  remove(top: Layer): void;
}

export function initLayers(places: Places, pool: WorkerPool, trash: Trash, present: readonly string[]): InitLayers {
  const made = new Map<string, Promise<string>>();
  for (const name of present) made.set(name, Promise.resolve(join(places.links, name)));
  const make = async (name: string, link: string, shown: readonly string[]): Promise<string> => {
    const folder = join(places.staging, hexId(undefined, 16));
    const diff = join(folder, "diff");
    await mkdir(diff, { recursive: true, mode: 0o755 });
    const lowers = shown.map((path) => join(places.links, readlinkSync(path)));
    await pool.run("init", { diff, lowers });
    rmSync(link, { force: true });
    symlinkSync(initTarget(name), link);
    renameSync(folder, join(places.inits, name));
    return link;
  };
  return {
    ensure(top, shown) {
      const key = (top?.link ?? "") + INIT_SUFFIX;
      const known = made.get(key);
      if (known) return known;
      const making = make(top ? chainName(top.chainId) : NO_IMAGE, join(places.links, key), shown);
      made.set(key, making);
      making.catch(() => made.delete(key));
      return making;
    },
    remove(top) {
      made.delete(top.link + INIT_SUFFIX);
      rmSync(join(places.links, top.link + INIT_SUFFIX), { force: true });
      const folder = join(places.inits, chainName(top.chainId));
      for (const path of [folder, join(places.roots, chainName(top.chainId))]) if (existsSync(path)) trash.take(path);
    },
  };
}
