/** Network policies: makes this node's rules be what NetworkPolicies, pods and namespaces say. */
import type { Clock } from "#base/clock.ts";
import { errorText } from "#base/errors.ts";
import type { Logger } from "#base/logger.ts";
import type { Engine } from "#containers/engine.ts";
import { isPodTerminal } from "#formats/kube-pod.ts";
import { objectKey } from "#formats/kube-object.ts";
import { RESOURCES } from "#formats/kube-resources.ts";
import type { NetworkPolicy, Pod } from "#formats/kube-types.generated.ts";
import type { InformerFactory } from "#kube-client/informer-factory.ts";
import { NO_POLICIES, openPolicyRules, type PolicyTable } from "#network/policy-rules.ts";
import type { ApiLink } from "./api-link.ts";
import { nodeEngine } from "./node-engine.ts";
import { LABEL, podUidOf, runtimeUid, SANDBOX_NAME } from "./pods/labels.ts";
import { isRunning } from "./pods/observed.ts";
import { compilePolicy, type CompiledPolicy } from "./policy/compile-policy.ts";
import { policyModel, type PolicyPod } from "./policy/policy-model.ts";

export interface PoliciesDeps {
  readonly informers: InformerFactory;
  readonly engine: Engine;
  /** As of NodeConfig. */
  readonly nodeName: string;
  readonly isFurther: boolean;
  readonly instance: string;
  readonly netns?: string | undefined;
  /** While it is cut, only this node's own pods are followed. */
  readonly link?: ApiLink | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface Policies {
  /** Stops following; the rules stay as they are. */
  close(): void;
  /** Removes the rules from the host. Before `close`. */
  remove(): void;
}

/** Changes that come within this time go into one transaction. A new pod of this node does not wait for it. */
const GATHER_MS = 10;
/** After a refusal by the kernel, the time to the next try doubles from the first to the second. */
const RETRY_MS = 1_000;
const MAX_RETRY_MS = 30_000;

/** Resolves when the rules hold for everything there is. */
export async function startPolicies(deps: PoliciesDeps): Promise<Policies> {
  const { clock, logger, link } = deps;
  const engine = nodeEngine(deps.engine, deps.isFurther ? deps.nodeName : undefined);
  const rules = openPolicyRules(deps);
  const cluster = clusterView(deps.informers, deps.nodeName, () => localAddresses(engine));
  const model = policyModel(cluster);
  let applied: PolicyTable = NO_POLICIES;
  let cancel: (() => void) | undefined;
  let retryMs = RETRY_MS;
  let stopped = false;

  const look = (): void => {
    cancel?.();
    cancel = undefined;
    // Without policies there is nothing to be on the host.
    if (applied === NO_POLICIES && cluster.isEmpty()) return;
    const table = model.table();
    try {
      rules.apply(table);
      applied = table;
      retryMs = RETRY_MS;
    } catch (error) {
      logger.error({ error: errorText(error) }, "could not set the rules of network policies");
      plan(retryMs);
      retryMs = Math.min(retryMs * 2, MAX_RETRY_MS);
    }
  };
  const plan = (delayMs: number): void => {
    if (!stopped && !link?.isCut) cancel ??= clock.after(delayMs, look);
  };
  await cluster.whenSynced();
  const unsubscribe = [
    cluster.onPod((uid, now) => {
      model.podChanged(uid, now);
      plan(GATHER_MS);
    }),
    cluster.onRules(() => {
      model.rulesChanged();
      plan(GATHER_MS);
    }),
    // Before anything of the pod runs that could speak to somebody.
    engine.events(({ type, action, attributes }) => {
      if (type !== "network" || (action !== "connect" && action !== "disconnect")) return;
      const container = engine.find(attributes["container"] ?? "");
      const pod = cluster.podOf((container && podUidOf(container)) ?? "");
      if (!pod) return;
      model.podChanged(pod.pod.metadata.uid ?? "", pod);
      if (action === "connect") look();
      else plan(GATHER_MS);
    }),
    link?.onMended(() => plan(0)) ?? (() => undefined),
  ];
  look();
  return {
    close() {
      stopped = true;
      cancel?.();
      for (const stop of unsubscribe) stop();
      rules.close();
    },
    remove: () => rules.remove(),
  };
}

/** Addresses of the pods of this node that have a network of their own, by their uid here. */
function localAddresses(engine: Pick<Engine, "list">): Map<string, readonly string[]> {
  const addresses = new Map<string, readonly string[]>();
  for (const container of engine.list()) {
    const uid = podUidOf(container);
    if (uid === undefined || container.config.labels[LABEL.containerName] !== SANDBOX_NAME || !isRunning(container))
      continue;
    const own = container.endpoints.flatMap(({ ipv4, ipv6 }) => [ipv4, ipv6]).filter((address) => address !== "");
    if (own.length > 0) addresses.set(uid, own);
  }
  return addresses;
}

/** Policies, pods and namespaces as the model asks for them. */
function clusterView(informers: InformerFactory, nodeName: string, local: () => Map<string, readonly string[]>) {
  const pods = informers.informer(RESOURCES.pods);
  const namespaces = informers.informer(RESOURCES.namespaces);
  const policies = informers.informer(RESOURCES.networkpolicies);
  const compiled = new Map<string, CompiledPolicy>();
  const byNamespace = new Map<string, CompiledPolicy[]>();
  pods.addIndex(BY_UID, (pod) => [runtimeUid(pod)]);
  const policyPod = (pod: Pod, own: readonly string[] | undefined): PolicyPod | undefined => {
    if (pod.spec?.hostNetwork || isPodTerminal(pod)) return undefined;
    const addresses = own ?? (pod.status?.podIPs ?? []).flatMap(({ ip }) => ip ?? []);
    return addresses.length > 0 ? { pod, addresses } : undefined;
  };
  const regroup = (namespace: string): void => {
    const all = Array.from(compiled.values()).filter((policy) => policy.namespace === namespace);
    if (all.length > 0) byNamespace.set(namespace, all);
    else byNamespace.delete(namespace);
  };
  const put = (policy: NetworkPolicy): void => {
    compiled.set(objectKey(policy), compilePolicy(policy));
    regroup(policy.metadata.namespace ?? "");
  };
  return {
    whenSynced: () => Promise.all([pods, namespaces, policies].map((each) => each.whenSynced())),
    isEmpty: () => compiled.size === 0,
    policiesOf: (namespace: string) => byNamespace.get(namespace) ?? [],
    namespaceLabels: (name: string) =>
      namespaces.cache.get(name)?.metadata.labels ?? (namespaces.cache.get(name) && {}),
    *pods(): Iterable<PolicyPod> {
      const own = local();
      for (const pod of pods.cache.values()) {
        const found = policyPod(pod, own.get(runtimeUid(pod)));
        if (found) yield found;
      }
    },
    *local(): Iterable<PolicyPod> {
      for (const [uid, addresses] of local()) {
        const [pod] = pods.cache.byIndex(BY_UID, uid);
        if (pod && !pod.spec?.hostNetwork) yield { pod, addresses };
      }
    },
    podOf(uid: string): PolicyPod | undefined {
      const [pod] = pods.cache.byIndex(BY_UID, uid);
      return pod && policyPod(pod, local().get(uid));
    },
    onPod(changed: (uid: string, now: PolicyPod | undefined) => void): () => void {
      const here = (pod: Pod) => (pod.spec?.nodeName === nodeName ? local().get(runtimeUid(pod)) : undefined);
      const tell = (pod: Pod): void => changed(pod.metadata.uid ?? "", policyPod(pod, here(pod)));
      return pods.addHandler({
        add: tell,
        update: (before, pod) => void (concernsPolicies(before, pod) && tell(pod)),
        delete: (pod) => changed(pod.metadata.uid ?? "", undefined),
      });
    },
    onRules(changed: () => void): () => void {
      const stop = [
        policies.addHandler({
          add: (policy) => (put(policy), changed()),
          update: (_, policy) => (put(policy), changed()),
          delete(policy) {
            compiled.delete(objectKey(policy));
            regroup(policy.metadata.namespace ?? "");
            changed();
          },
        }),
        namespaces.addHandler({
          add: changed,
          update: (before, after) => void (before.metadata.labels !== after.metadata.labels && changed()),
          delete: changed,
        }),
      ];
      return () => stop.forEach((each) => each());
    },
  };
}

const BY_UID = "runtime-uid";

/** Most changes of a pod are of its status, and none of a policy's business. */
function concernsPolicies(before: Pod, after: Pod): boolean {
  const parts = (pod: Pod): string => JSON.stringify([pod.metadata.labels, pod.status?.podIPs, isPodTerminal(pod)]);
  return parts(before) !== parts(after);
}
