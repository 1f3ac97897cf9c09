import { rm } from "node:fs/promises";
import { EMPTY_LAYER_DIFF_ID } from "#formats/digest.ts";
import type { ImageConfig } from "#formats/image-config.ts";
import { OCI_LAYER } from "#formats/image-media-types.ts";
import type { ContentLease } from "../content-store.ts";
import type { Context } from "./context.ts";
import { addLayer, type NewLayer } from "./import.ts";

/**
 * A build's step: the base image and what was changed in a snapshot, whose writable layer is taken as it lies (overlay2). The snapshot
 * is of no use afterwards. The image is there at once, and on the disk soon. Returns its id.
 */
export function commitSnapshot(
  context: Context,
  snapshotId: string,
  config: ImageConfig,
  base: string | undefined,
): Promise<string> {
  const layer = (lease: ContentLease): Promise<NewLayer | undefined> => sealSnapshot(context, lease, snapshotId);
  return addLayer(context, { layer, config, base, references: [], durable: false });
}

async function sealSnapshot(
  { content, layers, snapshots }: Context,
  lease: ContentLease,
  snapshotId: string,
): Promise<NewLayer | undefined> {
  const file = content.temporary();
  try {
    const { upper, unpacked, diffId, bytes } = await snapshots.seal(snapshotId, file);
    if (diffId === EMPTY_LAYER_DIFF_ID) return undefined;
    await lease.adopt(file, diffId);
    const staged = await layers.take(upper, unpacked, diffId);
    return { staged, diffId, descriptor: { mediaType: OCI_LAYER, digest: diffId, size: bytes } };
  } finally {
    await rm(file, { force: true });
  }
}
