import type { KubeObject } from "#formats/kube-object.ts";
import type { Job } from "#formats/kube-types.generated.ts";
import { clearStatus } from "./status.ts";
import type { Strategy } from "./strategy.ts";

const PREFIX = "batch.kubernetes.io/";

/** k8s.io/kubernetes pkg/registry/batch/job: unless it selects by hand, a job's pods are found by its uid. */
export const jobStrategy: Strategy = {
  prepareForCreate(object) {
    clearStatus(object);
    const job = object as Job & KubeObject;
    const { spec, metadata } = job;
    if (!spec?.template || spec.manualSelector) return;
    const { uid = "", name = "" } = metadata;
    const { metadata: own = {} } = spec.template;
    const labels = {
      ...own.labels,
      "controller-uid": uid,
      "job-name": name,
      [`${PREFIX}controller-uid`]: uid,
      [`${PREFIX}job-name`]: name,
    };
    spec.template.metadata = { ...own, labels };
    spec.selector = {
      ...spec.selector,
      matchLabels: { ...spec.selector?.matchLabels, [`${PREFIX}controller-uid`]: uid },
    };
  },
};
