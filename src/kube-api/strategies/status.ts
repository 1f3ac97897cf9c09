import type { KubeObject } from "#formats/kube-object.ts";
import type { Strategy } from "./strategy.ts";

/** Kinds whose status only controllers write: a creator's is dropped. */
export const withoutStatus: Strategy = {
  prepareForCreate(object) {
    clearStatus(object);
  },
};

export function clearStatus(object: KubeObject): void {
  const withStatus = object as KubeObject & { status?: unknown };
  if (withStatus.status !== undefined) withStatus.status = {};
}
