import type { QueueSortPlugin } from "../framework/plugin.ts";

/** The more important pod first; of equal ones the one that has waited longer. */
export const prioritySortPlugin: QueueSortPlugin = {
  name: "PrioritySort",
  before(a, b) {
    if (a.info.priority !== b.info.priority) return a.info.priority > b.info.priority;
    return a.queuedAtMs < b.queuedAtMs;
  },
};
