import { errorText } from "#base/errors.ts";
import { objectKey } from "#formats/kube-object.ts";
import { RESOURCES } from "#formats/kube-resources.ts";
import type { Namespace } from "#formats/kube-types.generated.ts";
import type { Informer } from "#kube-client/informer.ts";
import type { ReconcileResult } from "#kube-client/reconcile-loop.ts";
import { controller, informerOf, type Controller, type ControllerContext } from "../shared/controller.ts";
import { semanticEqual } from "../shared/semantic-equal.ts";
import { emptyNamespace } from "./empty.ts";
import { deletionConditions, type Emptying } from "./status.ts";

/** The finalizer in spec.finalizers that this controller answers for. */
const KUBERNETES = "kubernetes";
/** What is left usually goes by itself soon: pods end, other controllers finalize. Then the next look is taken, later and later. */
const FIRST_LOOK_MS = 50;
const LAST_LOOK_MS = 15_000;

/** Empties namespaces that are being deleted, then lets them go. */
export function namespaceController(context: ControllerContext): Controller {
  const namespaces = informerOf(context, RESOURCES.namespaces);
  const pods = informerOf(context, RESOURCES.pods);
  const looks = new Map<string, number>();
  return controller(context, {
    name: "namespace-controller",
    workers: 10,
    reconcile: (key) => reconcile(context, namespaces, looks, key),
    watch: (queue) => {
      const see = (namespace: Namespace): void => {
        if (namespace.metadata.deletionTimestamp) queue.add(objectKey(namespace));
      };
      return [
        namespaces.addHandler({
          add: see,
          update: (_, after) => see(after),
          delete: ({ metadata }) => looks.delete(metadata.name ?? ""),
        }),
        // Pods are what a namespace waits for: when one has gone, it need not wait for the next look.
        pods.addHandler({
          delete({ metadata }) {
            const namespace = namespaces.cache.get(metadata.namespace ?? "");
            if (namespace) see(namespace);
          },
        }),
      ];
    },
  });
}

async function reconcile(
  context: ControllerContext,
  namespaces: Informer<Namespace>,
  looks: Map<string, number>,
  key: string,
): Promise<ReconcileResult> {
  const cached = namespaces.cache.get(key);
  if (!cached?.metadata.deletionTimestamp) return undefined;
  const { client, clock } = context;
  const namespace = await client.get(RESOURCES.namespaces, undefined, key);
  if (namespace.metadata.uid !== cached.metadata.uid || !(namespace.spec?.finalizers ?? []).includes(KUBERNETES))
    return undefined;
  const found = await attempt(context, key);
  const conditions = deletionConditions(namespace, found, clock.now());
  let current = namespace;
  if (!semanticEqual(conditions, namespace.status?.conditions)) {
    const status = { ...namespace.status, phase: "Terminating", conditions };
    current = await client.update(RESOURCES.namespaces, { ...namespace, status }, "status");
  }
  if (found.remaining.size > 0 || found.discoveryError !== undefined || found.contentErrors.length > 0) {
    const wait = looks.get(key) ?? FIRST_LOOK_MS;
    looks.set(key, Math.min(wait * 2, LAST_LOOK_MS));
    return { requeueAfterMs: wait };
  }
  const finalizers = (current.spec?.finalizers ?? []).filter((finalizer) => finalizer !== KUBERNETES);
  await client.update(RESOURCES.namespaces, { ...current, spec: { ...current.spec, finalizers } }, "finalize");
  return undefined;
}

async function attempt({ client, discovery }: ControllerContext, namespace: string): Promise<Emptying> {
  const nothing = { remaining: new Map<string, number>(), finalizers: new Map<string, number>(), contentErrors: [] };
  try {
    return await emptyNamespace(client, await discovery.resources(), namespace);
  } catch (error) {
    return { ...nothing, discoveryError: errorText(error) };
  }
}
