import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { parseDigest, type Digest } from "#formats/digest.ts";

/** Where layers and snapshots lie below the data directory. */
export interface Places {
  /** `<chain id>/{layer.json,diff/}`: unpacked layers. */
  readonly layers: string;
  /** `<chain id>/diff/`: what lies between an image and a container. */
  readonly inits: string;
  /** `<chain id>/root/`: an image's files in a subvolume (btrfs). */
  readonly roots: string;
  /** `<id>/{snapshot.json,diff/,work/}`: containers' own layers. */
  readonly snapshots: string;
  /** Short links to layers: mount options have one page for all lower directories (overlayfs). */
  readonly links: string;
  /** What is being made. */
  readonly staging: string;
  /** What is being removed. */
  readonly trash: string;
}

export async function makePlaces(dataDir: string): Promise<Places> {
  const places: Places = {
    layers: join(dataDir, "layers"),
    inits: join(dataDir, "inits"),
    roots: join(dataDir, "roots"),
    snapshots: join(dataDir, "snapshots"),
    links: join(dataDir, "l"),
    staging: join(dataDir, "staging"),
    trash: join(dataDir, "trash"),
  };
  for (const path of Object.values(places)) await mkdir(path as string, { recursive: true, mode: 0o700 });
  return places;
}

/** The directory name of a layer. */
export function chainName(chainId: Digest): string {
  return parseDigest(chainId).hex;
}
