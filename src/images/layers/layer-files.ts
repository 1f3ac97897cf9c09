import { lstatSync, readdirSync, readFileSync, readlinkSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { isDigest, type Digest } from "#formats/digest.ts";
import { chainName, type Places } from "./places.ts";
import type { Trash } from "./trash.ts";

/** An unpacked layer, named by its chain id: itself and all below it. */
export interface Layer {
  readonly chainId: Digest;
  readonly diffId: Digest;
  readonly parent: Digest | undefined;
  /** Bytes of its files. */
  readonly size: number;
  /** The name of its short link. */
  readonly link: string;
  /** It hides all layers below. */
  readonly opaqueRoot: boolean;
}

/** The link of an init layer is that of its image's top layer with this suffix, which is no digit of base 36 in lower case. */
export const INIT_SUFFIX = "I";

/** Stands for the top layer where there is no image. */
export const NO_IMAGE = "none";

/** The layers that are there whole; what is half made goes. */
export function readLayers(places: Places, trash: Trash): Map<Digest, Layer> {
  const layers = new Map<Digest, Layer>();
  for (const name of readdirSync(places.layers)) {
    const layer = readLayer(join(places.layers, name));
    if (layer && chainName(layer.chainId) === name) layers.set(layer.chainId, layer);
    else trash.take(join(places.layers, name));
  }
  // A layer without all below it is of no use.
  for (let lost = true; lost;) {
    lost = false;
    for (const { chainId, parent } of Array.from(layers.values())) {
      if (parent === undefined || layers.has(parent)) continue;
      trash.take(join(places.layers, chainName(chainId)));
      lost = layers.delete(chainId);
    }
  }
  return layers;
}

function readLayer(folder: string): Layer | undefined {
  try {
    const layer = JSON.parse(readFileSync(join(folder, "layer.json"), "utf8")) as Layer;
    return isDigest(layer.chainId) && isDigest(layer.diffId) && /^[0-9a-z]+$/.test(layer.link) ? layer : undefined;
  } catch {
    // Cut short by a crash of the machine: the layer is unpacked anew when it is needed.
    return undefined;
  }
}

/** Sees to it that each layer and init layer has its link, and nothing else does. Returns the links of init layers. */
export function repairLinks(places: Places, layers: Iterable<Layer>, trash: Trash): readonly string[] {
  const wanted = new Map<string, string>();
  const inits: string[] = [];
  const links = new Map<string, string>([[NO_IMAGE, ""]]);
  for (const { link, chainId } of layers) {
    wanted.set(link, layerTarget(chainId));
    links.set(chainName(chainId), link);
  }
  for (const name of readdirSync(places.inits)) {
    const link = links.get(name);
    if (link === undefined) {
      trash.take(join(places.inits, name));
      continue;
    }
    wanted.set(link + INIT_SUFFIX, initTarget(name));
    inits.push(link + INIT_SUFFIX);
  }
  for (const name of readdirSync(places.links)) {
    if (wanted.has(name) && wanted.get(name) === linkTarget(join(places.links, name))) wanted.delete(name);
    else rmSync(join(places.links, name), { recursive: true });
  }
  for (const [name, target] of wanted) symlinkSync(target, join(places.links, name));
  return inits;
}

export function layerTarget(chainId: Digest): string {
  return `../layers/${chainName(chainId)}/diff`;
}

export function initTarget(name: string): string {
  return `../inits/${name}/diff`;
}

function linkTarget(path: string): string | undefined {
  return lstatSync(path).isSymbolicLink() ? readlinkSync(path) : undefined;
}
