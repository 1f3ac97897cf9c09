import type { KubeObject } from "#formats/kube-object.ts";
import type { Namespace } from "#formats/kube-types.generated.ts";
import type { Strategy } from "./strategy.ts";

const KUBERNETES = "kubernetes";

/** k8s.io/kubernetes pkg/registry/core/namespace: it stays, Terminating, until its content is gone and spec.finalizers is empty. */
export const namespaceStrategy: Strategy = {
  prepareForCreate(object) {
    const namespace = object as Namespace & KubeObject;
    const finalizers = namespace.spec?.finalizers ?? [];
    namespace.spec = { finalizers: finalizers.includes(KUBERNETES) ? finalizers : [...finalizers, KUBERNETES] };
    namespace.status = { phase: "Active" };
    labelName(namespace);
  },
  prepareForUpdate(object, old) {
    const namespace = object as Namespace & KubeObject;
    const before = (old as Namespace).spec;
    if (before) namespace.spec = before;
    labelName(namespace);
  },
  mustStay: (object) => ((object as Namespace).spec?.finalizers ?? []).length > 0,
  beginDelete(object) {
    const namespace = object as Namespace & KubeObject;
    namespace.status = { ...namespace.status, phase: "Terminating" };
  },
};

function labelName({ metadata }: KubeObject): void {
  metadata.labels = { ...metadata.labels, "kubernetes.io/metadata.name": metadata.name ?? "" };
}
