import type { Deployment, Pod, ReplicaSet } from "#formats/kube-types.generated.ts";
import type { EventRecorder } from "#kube-client/events.ts";
import type { Informer } from "#kube-client/informer.ts";
import type { ControllerContext } from "../shared/controller.ts";
import type { DoubtfulWrites } from "../shared/doubtful-writes.ts";
import type { Expectations } from "../shared/expectations.ts";
import type { ReplicaSets } from "./replica-sets.ts";

/** What the deployment controller works with. */
export interface DeploymentParts {
  readonly context: ControllerContext;
  readonly deployments: Informer<Deployment>;
  readonly replicaSets: Informer<ReplicaSet>;
  readonly pods: Informer<Pod>;
  readonly expected: Expectations<ReplicaSet>;
  readonly writes: DoubtfulWrites<ReplicaSet>;
  readonly events: EventRecorder;
}

/** A deployment with its replica sets as one reconcile sees them. */
export interface Rollout extends ReplicaSets {
  readonly key: string;
  readonly deployment: Deployment;
  readonly nowMs: number;
}
