/** What the scheduler knows of a pod: Gantry's own, served as `GET …/pods/NAME/scheduling`. main/ plugs it in. */
export interface SchedulingSource {
  /** Undefined: the pod is not there, or another scheduler's. */
  why(namespace: string, name: string): object | undefined;
}
