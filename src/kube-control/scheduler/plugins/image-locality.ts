import type { ImageTable } from "../cluster/images.ts";
import type { ScorePlugin } from "../framework/plugin.ts";

const MEBIBYTE = 1024 * 1024;
/** Below it images do not matter, above it (for each container) more does not either. */
const MIN_BYTES = 23 * MEBIBYTE;
const MAX_BYTES = 1000 * MEBIBYTE;

/** Prefers nodes that have the pod's images already: large ones more, and those that many nodes have more, so that one node does not get all. */
export function imageLocalityPlugin(images: ImageTable): ScorePlugin {
  return {
    name: "ImageLocality",
    preScore({ cluster, pod }) {
      const { containers = [], initContainers = [] } = pod.pod.spec ?? {};
      const all = [...initContainers, ...containers];
      const nodeCount = cluster.rows.length;
      const known = all.flatMap(({ image }) => images.get(withTag(image ?? "")) ?? []);
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

/** Nodes list images with their tags. */
function withTag(image: string): string {
  return image.lastIndexOf(":") <= image.lastIndexOf("/") ? `${image}:latest` : image;
}
