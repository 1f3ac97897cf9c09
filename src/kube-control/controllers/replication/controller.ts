import type { Typed } from "#formats/kube-object.ts";
import { RESOURCES } from "#formats/kube-resources.ts";
import type { ReplicaSet, ReplicationController } from "#formats/kube-types.generated.ts";
import { replicaSetController } from "../replicaset/controller.ts";
import type { Controller, ControllerContext } from "../shared/controller.ts";

/** Replication controllers are replica sets whose selector is a plain map: the same controller keeps both. */
export function replicationController(context: ControllerContext): Controller {
  return replicaSetController(context, {
    name: "replicationcontroller-controller",
    component: "replication-controller",
    resource: RESOURCES.replicationcontrollers as unknown as Typed<ReplicaSet>,
    read: (object) => fromReplicationController(object as unknown as ReplicationController),
    write: (object) => toReplicationController(object) as unknown as ReplicaSet,
  });
}

function fromReplicationController(object: ReplicationController): ReplicaSet {
  const { selector, template, ...spec } = object.spec ?? {};
  return { ...object, spec: { ...spec, template, selector: { matchLabels: selector } } };
}

function toReplicationController(object: ReplicaSet): ReplicationController {
  const { selector, ...spec } = object.spec ?? { selector: {} };
  const { terminatingReplicas: _, ...status } = object.status ?? { replicas: 0 };
  return { ...object, spec: { ...spec, selector: selector.matchLabels }, status };
}
