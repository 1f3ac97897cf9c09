import type { ImageTable } from "../cluster/images.ts";
import type { PodInfo } from "../cluster/pod-info.ts";
import type { ScorePlugin } from "../framework/plugin.ts";

const MEBIBYTE = 1024 * 1024;
/** Below it images do not matter, above it (for each container) more does not either. */
const MIN_BYTES = 23 * MEBIBYTE;
const MAX_BYTES = 1000 * MEBIBYTE;

/** Prefers nodes that have the pod's images already: large ones more, and those that many nodes have more, so that one node does not get all. */
export function imageLocalityPlugin(images: ImageTable): ScorePlugin {
  return {
    name: "ImageLocality",
    concerns: ({ pod }) => imagesOf(pod).some((image) => images.get(image) !== undefined),
    preScore({ cluster, pod }) {
      const all = imagesOf(pod);
      const nodeCount = cluster.rows.length;
      const known = all.flatMap((image) => images.get(image) ?? []);
      if (known.length === 0) return undefined;
      const shares = known.map(({ sizeBytes, rows }) => ({
        rows,
        bytes: Math.trunc(sizeBytes * (rows.size / nodeCount)),
      }));
      const most = MAX_BYTES * all.length;
      return {
        score(row) {
          const bytes = shares.reduce((sum, share) => (share.rows.has(row) ? sum + share.bytes : sum), 0);
          const clamped = Math.min(Math.max(bytes, MIN_BYTES), most);
          return Math.trunc((100 * (clamped - MIN_BYTES)) / (most - MIN_BYTES));
        },
      };
    },
  };
}

function imagesOf({ pod }: PodInfo): string[] {
  const { containers = [], initContainers = [] } = pod.spec ?? {};
  return [...initContainers, ...containers].map(({ image = "" }) => withTag(image));
}

/** Nodes list images with their tags. */
function withTag(image: string): string {
  return image.lastIndexOf(":") <= image.lastIndexOf("/") ? `${image}:latest` : image;
}
