import type { KubeObject } from "#formats/kube-object.ts";
import type { FieldFault } from "../status.ts";
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

/** Webhooks whose conditions could not be evaluated would be called too often: such ones are refused. */
export const webhookConfigurationStrategy: Strategy = {
  validate(object) {
    const { webhooks = [] } = object as KubeObject & { webhooks?: readonly { matchConditions?: readonly object[] }[] };
    return webhooks.flatMap(({ matchConditions = [] }, index) =>
      matchConditions.length === 0
        ? []
        : [unsupported(`webhooks[${index}].matchConditions`, "match conditions (CEL) are not supported")],
    );
  },
};

/** Objects that would be kept without having the effect that their maker counts on. */
export function refused(field: string, why: string, applies: (object: KubeObject) => boolean = () => true): Strategy {
  return { validate: (object) => (applies(object) ? [unsupported(field, why)] : []) };
}

function unsupported(field: string, why: string): FieldFault {
  return { field, message: `Forbidden: ${why}`, reason: "FieldValueForbidden" };
}
