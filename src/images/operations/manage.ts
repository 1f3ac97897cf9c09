import { GantryError, isGantryError } from "#base/errors.ts";
import type { Digest } from "#formats/digest.ts";
import { familiarString, parseReference } from "#formats/reference.ts";
import type { DiskUsage, HistoryEntry, Image, PruneOptions, RemovedImage } from "../image-store.ts";
import { lookUp } from "../records/lookup.ts";
import { removeImage, type Removal } from "../records/removal.ts";
import { setReference } from "./add-image.ts";
import { tell, type Context } from "./context.ts";
import { newName } from "./import.ts";

/** `docker tag`. */
export async function tagImage(context: Context, text: string, target: string): Promise<void> {
  const name = newName(target);
  const id = await context.records.update((draft) => {
    const found = lookUp(draft, text).id;
    setReference(draft, name, found);
    const record = draft.images.get(found);
    if (record) draft.images.set(found, { ...record, lastTaggedAt: context.clock.now() });
    return found;
  });
  tell(context, "tag", id, familiarString(parseReference(name)));
}

/** `docker rmi`. */
export async function removeImages(
  context: Context,
  text: string,
  options: { readonly force: boolean; readonly prune: boolean },
): Promise<readonly RemovedImage[]> {
  const labels = new Map<Digest, Readonly<Record<string, string>>>();
  const removals = await context.records.update((draft) => {
    const done = removeImage(draft, text, { ...options, users: context.users });
    for (const { id } of done) labels.set(id, context.records.image(id)?.config.config?.Labels ?? {});
    return done;
  });
  const removed = removals.flatMap((removal) => finish(context, removal, labels.get(removal.id) ?? {}));
  await context.content.collect();
  return removed;
}

/** What follows from a removal that is written down: layers go, and those who watch are told. */
function finish(context: Context, removal: Removal, labels: Readonly<Record<string, string>>): RemovedImage[] {
  const { id } = removal;
  const action = removal.kind === "untagged" ? "untag" : "delete";
  context.events.emit({ action, id, name: id, labels: { ...labels } });
  if (removal.kind === "untagged") return [{ Untagged: removal.name }];
  const layers = removal.top === undefined ? [] : context.layers.release(removal.top);
  return [{ Deleted: id }, ...layers.map((layer) => ({ Deleted: layer.chainId }))];
}

/** `docker image prune`: what a conflict keeps is kept silently. Downloads that broke off go, too. */
export async function pruneImages(
  context: Context,
  options: PruneOptions,
): Promise<{ readonly removed: readonly RemovedImage[]; readonly reclaimedBytes: number }> {
  const sizes = new Map(Array.from(context.layers.all(), (layer) => [layer.chainId, layer.size]));
  const removed: RemovedImage[] = [];
  for (const image of context.records.list()) {
    for (const name of prunable(context, image, options)) {
      try {
        removed.push(...(await removeImages(context, name, { force: false, prune: true })));
      } catch (error) {
        if (!isGantryError(error, "conflict") && !isGantryError(error, "not-found")) throw error;
      }
    }
  }
  const { partials } = context.content;
  const unfinishedBytes = partials.totalBytes;
  await partials.clear();
  const layersBytes = removed.reduce((total, { Deleted }) => total + (sizes.get(Deleted ?? "") ?? 0), 0);
  const reclaimedBytes = layersBytes + unfinishedBytes;
  context.events.emit({ action: "prune", id: "", name: "", labels: { reclaimed: String(reclaimedBytes) } });
  return { removed, reclaimedBytes };
}

/** The names by which an image is to be removed: all of them, or its id when it has none; none when it stays. */
function prunable({ records }: Context, image: Image, { dangling, until, where }: PruneOptions): readonly string[] {
  const names = [...image.tags, ...image.digests];
  if (names.length === 0 && records.childrenOf(image.id).length > 0) return [];
  if (until !== undefined && image.createdAt > until) return [];
  if (where && !where(image)) return [];
  if (names.length === 0) return [image.id];
  return dangling && image.tags.length > 0 ? [] : names;
}

/** `docker history`. */
export function imageHistory({ records }: Context, text: string): readonly HistoryEntry[] {
  const { id } = lookUp(records.now, text);
  const image = records.image(id);
  let layer = 0;
  const rows = (image?.config.history ?? []).map((entry) => {
    const size = entry.empty_layer ? 0 : image?.layerBytes[layer++];
    if (size === undefined) throw new GantryError("internal", "too many non-empty layers in History section");
    const created = Date.parse(entry.created ?? "");
    return {
      created: Number.isNaN(created) ? 0 : Math.floor(created / 1000),
      createdBy: entry.created_by ?? "",
      size,
      comment: entry.comment ?? "",
    };
  });
  let owner = image;
  return rows.reverse().map((row) => {
    const named = { id: owner?.id ?? "<missing>", tags: owner && owner.tags.length > 0 ? owner.tags : undefined };
    owner = owner?.parent === undefined ? undefined : records.image(owner.parent);
    return { ...row, ...named };
  });
}

/** `docker system df`. Layers are measured as they lie on the disk. */
export async function diskUsage(
  context: Context,
  measured: Map<Digest, number>,
  layerFolder: (chainId: Digest) => string,
): Promise<DiskUsage> {
  const { layers, records, content, pool } = context;
  let layersBytes = 0;
  for (const layer of Array.from(layers.all())) {
    const known =
      measured.get(layer.chainId) ?? (await pool.run("measure", { folder: layerFolder(layer.chainId) })).used;
    measured.set(layer.chainId, known);
    layersBytes += known;
  }
  for (const chainId of measured.keys()) if (!layers.get(chainId)) measured.delete(chainId);
  const users = new Map<Digest, number>();
  const chains = records.list().map((image) => {
    const chain = layers.chain(records.now.images.get(image.id)?.top);
    for (const { chainId } of chain) users.set(chainId, (users.get(chainId) ?? 0) + 1);
    return { id: image.id, chain };
  });
  const images = new Map(
    chains.map(({ id, chain }) => {
      const bytes = (shared: boolean): number =>
        chain.reduce((total, layer) => total + ((users.get(layer.chainId) ?? 0) > 1 === shared ? layer.size : 0), 0);
      return [id, { uniqueBytes: bytes(false), sharedBytes: bytes(true) }];
    }),
  );
  return { totalBytes: layersBytes + content.totalBytes, layersBytes, images };
}
