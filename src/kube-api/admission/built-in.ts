import { isGantryError } from "#base/errors.ts";
import type { Logger } from "#base/logger.ts";
import type { Random } from "#base/random.ts";
import { RESOURCES } from "#formats/kube-resources.ts";
import type { Store } from "#store/store.ts";
import type { Api } from "../api.ts";
import { systemContext } from "../context.ts";
import type { Authorizer } from "../auth/authorizer.ts";
import type { Rbac } from "../auth/rbac.ts";
import type { ResourceTable } from "../resources/table.ts";
import { create } from "../verbs/create.ts";
import type { AdmissionPlugin } from "./admission.ts";
import { certificateRights } from "./plugins/certificates.ts";
import { denyServiceExternalIPs } from "./plugins/external-ips.ts";
import { limitRanger } from "./plugins/limit-ranger.ts";
import { namespaceLifecycle } from "./plugins/namespace-lifecycle.ts";
import { nodeRestriction } from "./plugins/node-restriction.ts";
import { podSecurity } from "./plugins/pod-security.ts";
import { defaultTolerationSeconds, priority, runtimeClass, taintNodesByCondition } from "./plugins/pods.ts";
import { rbacEscalation } from "./plugins/rbac-escalation.ts";
import { serviceAccount } from "./plugins/service-account.ts";
import { defaultIngressClass, defaultStorageClass } from "./plugins/storage.ts";
import { mutatingWebhooks, validatingWebhooks } from "./webhooks/plugin.ts";
import { resourceQuota } from "./quota/plugin.ts";
import { storeReader } from "./reader.ts";

export interface BuiltInAdmissionOptions {
  readonly store: Store;
  readonly resources: ResourceTable;
  readonly random: Random;
  readonly logger: Logger;
  readonly rbac: Rbac;
  readonly authorizer: Authorizer;
  /** The server that the plugins belong to: there once everything is put together. */
  readonly api: () => Api;
}

/** The plugins that are always on, in Kubernetes' order (kubeapiserver/options/plugins.go). */
export function builtInAdmission(options: BuiltInAdmissionOptions): AdmissionPlugin[] {
  const { store, resources, random, logger, rbac, authorizer, api } = options;
  const { read, list } = storeReader(store, resources);
  const createDefault = async (namespace: string): Promise<void> => {
    const definition = resources.expect("", "v1", RESOURCES.serviceaccounts.resource);
    const account = { kind: "ServiceAccount", apiVersion: "v1", metadata: { name: "default" } };
    await create(api(), systemContext(), definition, namespace, account).catch((error: unknown) => {
      if (!isGantryError(error, "already-exists")) throw error;
    });
  };
  const webhooks = { read, list, random, logger };
  return [
    namespaceLifecycle(read),
    limitRanger(list),
    serviceAccount({ read, random, createDefault }),
    nodeRestriction(read),
    podSecurity(read),
    taintNodesByCondition,
    priority(read, list),
    defaultTolerationSeconds,
    defaultStorageClass(list),
    rbacEscalation(rbac, authorizer, list),
    runtimeClass(read),
    certificateRights(authorizer),
    denyServiceExternalIPs,
    defaultIngressClass(list),
    mutatingWebhooks(webhooks),
    validatingWebhooks(webhooks),
    resourceQuota(list),
  ];
}
