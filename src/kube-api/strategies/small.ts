import type { KubeObject } from "#formats/kube-object.ts";
import type { Strategy } from "./strategy.ts";

/** Nothing of its own. */
export const UNCONDITIONAL: Strategy = {};

/** A PUT must name the revision that it replaces. */
export const needsRevision: Strategy = { needsResourceVersion: true };

/** New objects have this status, whatever their maker says. */
export function startsWithStatus(status: object): Strategy {
  return {
    prepareForCreate(object) {
      Object.assign(object as KubeObject & { status?: object }, { status: { ...status } });
    },
  };
}
