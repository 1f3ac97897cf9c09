import type { Clock } from "#base/clock.ts";
import { errorText, GantryError } from "#base/errors.ts";
import type { Logger } from "#base/logger.ts";
import { systemRandom, type Random } from "#base/random.ts";
import { RESOURCES } from "#formats/kube-resources.ts";
import type { KubeClient } from "#kube-client/client.ts";
import type { ResourceDiscovery } from "#kube-client/discovery.ts";
import { eventRecorder, type EventRecorder } from "#kube-client/events.ts";
import { informerFactory, type InformerFactory } from "#kube-client/informer-factory.ts";
import type { QueueMetricsRegistry } from "#kube-client/queue-metrics.ts";
import { tokenCleaner } from "./controllers/bootstrap-tokens/cleaner.ts";
import { bootstrapSigner } from "./controllers/bootstrap-tokens/signer.ts";
import { csrApproving } from "./controllers/certificates/approving.ts";
import { csrCleaner } from "./controllers/certificates/cleaning.ts";
import type { CertificateSigner } from "./controllers/certificates/signer-port.ts";
import { csrSigning } from "./controllers/certificates/signing.ts";
import { clusterRoleAggregationController } from "./controllers/clusterrole-aggregation/controller.ts";
import { cronJobController } from "./controllers/cronjob/controller.ts";
import { daemonSetController } from "./controllers/daemonset/controller.ts";
import { deploymentController } from "./controllers/deployment/controller.ts";
import { disruptionController } from "./controllers/disruption/controller.ts";
import { endpointsController } from "./controllers/endpoints/controller.ts";
import { endpointSliceController } from "./controllers/endpointslice/controller.ts";
import { endpointSliceMirroringController } from "./controllers/endpointslice-mirroring/controller.ts";
import { garbageCollector } from "./controllers/garbage-collector/controller.ts";
import { horizontalPodAutoscaler } from "./controllers/horizontal-pod-autoscaler/controller.ts";
import { jobController } from "./controllers/job/controller.ts";
import { loadBalancerController } from "./controllers/load-balancer/controller.ts";
import { namespaceController } from "./controllers/namespace/controller.ts";
import { nodeIpamController, type ClusterCidr } from "./controllers/node-ipam/controller.ts";
import { nodeLifecycleController } from "./controllers/node-lifecycle/controller.ts";
import { podGcController } from "./controllers/pod-gc/controller.ts";
import { replicaSetController } from "./controllers/replicaset/controller.ts";
import { replicationController } from "./controllers/replication/controller.ts";
import { resourceQuotaController } from "./controllers/resource-quota/controller.ts";
import { rootCaController } from "./controllers/root-ca/controller.ts";
import { serviceAddressController } from "./controllers/service-cidr/addresses.ts";
import { serviceCidrController } from "./controllers/service-cidr/controller.ts";
import { serviceAccountController } from "./controllers/serviceaccount/controller.ts";
import { serviceAccountTokens } from "./controllers/serviceaccount/tokens.ts";
import type { Controller, ControllerContext } from "./controllers/shared/controller.ts";
import { statefulSetController } from "./controllers/statefulset/controller.ts";
import { taintEvictionController } from "./controllers/taint-eviction/controller.ts";
import { ttlAfterFinishedController } from "./controllers/ttl/controller.ts";
import { volumeBinder } from "./controllers/volume/binder.ts";
import { ephemeralVolumeController } from "./controllers/volume/ephemeral.ts";
import { expandController } from "./controllers/volume/expand.ts";
import { ensureLocalClass } from "./controllers/volume/local-path.ts";
import type { LocalVolumes, VolumeParts } from "./controllers/volume/parts.ts";
import { claimProtection, volumeProtection } from "./controllers/volume/protection.ts";

export type { CertificateSigner } from "./controllers/certificates/signer-port.ts";
export type { LocalVolumes } from "./controllers/volume/parts.ts";

/** What some controllers need to know of their cluster. */
interface Settings {
  readonly rootCa: string | undefined;
  readonly localVolumes: LocalVolumes;
  readonly clusterCidr: ClusterCidr | undefined;
  readonly signer: CertificateSigner | undefined;
}

/** By kube-controller-manager's names. One that lacks what it needs makes nothing. */
const CONTROLLERS = {
  "bootstrap-signer-controller": bootstrapSigner,
  "certificatesigningrequest-approving-controller": (context, { signer }) => signer && csrApproving(context, signer),
  "certificatesigningrequest-cleaner-controller": csrCleaner,
  "certificatesigningrequest-signing-controller": (context, { signer }) => signer && csrSigning(context, signer),
  "clusterrole-aggregation-controller": clusterRoleAggregationController,
  "cronjob-controller": cronJobController,
  "daemonset-controller": daemonSetController,
  "deployment-controller": deploymentController,
  "disruption-controller": disruptionController,
  "endpoints-controller": endpointsController,
  "endpointslice-controller": endpointSliceController,
  "endpointslice-mirroring-controller": endpointSliceMirroringController,
  "ephemeral-volume-controller": ephemeralVolumeController,
  "garbage-collector-controller": garbageCollector,
  "horizontal-pod-autoscaler-controller": horizontalPodAutoscaler,
  "job-controller": jobController,
  "namespace-controller": namespaceController,
  "node-ipam-controller": (context, { clusterCidr }) =>
    clusterCidr === undefined ? undefined : nodeIpamController(context, clusterCidr),
  "node-lifecycle-controller": nodeLifecycleController,
  "persistentvolume-binder-controller": (context, settings) => {
    const parts = volumeParts(context, settings);
    const binder = volumeBinder(parts);
    return withLocalClass(parts, binder);
  },
  "persistentvolume-expander-controller": (context, settings) => expandController(volumeParts(context, settings)),
  "persistentvolume-protection-controller": volumeProtection,
  "persistentvolumeclaim-protection-controller": claimProtection,
  "pod-garbage-collector-controller": podGcController,
  "replicaset-controller": (context) => replicaSetController(context),
  "replicationcontroller-controller": replicationController,
  "resourcequota-controller": resourceQuotaController,
  "root-ca-certificate-publisher-controller": (context, { rootCa }) =>
    rootCa === undefined ? undefined : rootCaController(context, rootCa),
  "service-address-repair-controller": serviceAddressController,
  "service-cidr-controller": serviceCidrController,
  "service-lb-controller": loadBalancerController,
  "serviceaccount-controller": serviceAccountController,
  "serviceaccount-token-controller": (context, { rootCa }) => serviceAccountTokens(context, rootCa),
  "statefulset-controller": statefulSetController,
  "taint-eviction-controller": taintEvictionController,
  "token-cleaner-controller": tokenCleaner,
  "ttl-after-finished-controller": ttlAfterFinishedController,
} satisfies Record<string, (context: ControllerContext, settings: Settings) => Controller | undefined>;

export type ControllerName = keyof typeof CONTROLLERS;

/** Every controller there is. */
export const CONTROLLER_NAMES = Object.keys(CONTROLLERS) as readonly ControllerName[];

export interface ControllersOptions {
  readonly client: KubeClient;
  readonly discovery: ResourceDiscovery;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random?: Random;
  /** Shared with other components of the process; the controllers' own otherwise. */
  readonly informers?: InformerFactory;
  /** The API server's certificate authority (PEM), to be published in every namespace; without it none is. */
  readonly rootCa?: string;
  /** Where volumes of the class `local-path` lie on the nodes, and how they are removed. */
  readonly localVolumes?: LocalVolumes;
  /** Where nodes get their pod ranges from; without it they bring their own. */
  readonly clusterCidr?: ClusterCidr;
  /** The cluster's authority; without it certificate requests are neither approved nor signed. */
  readonly signer?: CertificateSigner;
  /** Counts what each controller's queue does. */
  readonly metrics?: QueueMetricsRegistry;
  /** As `--controllers`: names, `*` for all, `-name` to leave one out; all by default. */
  readonly which?: readonly string[];
}

export interface Controllers {
  /** Resolves when every controller knows what there is and has begun. */
  readonly started: Promise<void>;
  /** Resolves when what is being worked on is done. */
  stop(): Promise<void>;
  /** Names of the controllers that have something queued or at work. */
  busy(): string[];
}

/** Starts controllers. Each one's failures stay its own; idle, they make no request and wake for deadlines only. */
export function startControllers(options: ControllersOptions): Controllers {
  const { client, clock, logger, random = systemRandom } = options;
  const informers = options.informers ?? informerFactory({ client, clock, logger, random });
  const recorders = new Map<string, EventRecorder>();
  const context: ControllerContext = {
    client,
    informers,
    discovery: options.discovery,
    clock,
    random,
    logger,
    metrics: options.metrics,
    events(component) {
      const known = recorders.get(component);
      if (known) return known;
      const made = eventRecorder({ client, clock, logger, component });
      recorders.set(component, made);
      return made;
    },
  };
  const settings: Settings = {
    rootCa: options.rootCa,
    localVolumes: options.localVolumes ?? NO_DIRECTORIES,
    clusterCidr: options.clusterCidr,
    signer: options.signer,
  };
  const controllers = selected(options.which ?? ["*"]).flatMap((name) => CONTROLLERS[name](context, settings) ?? []);
  let stopped = false;
  const begin = async (): Promise<void> => {
    await informers.whenSynced();
    if (stopped) return;
    for (const each of controllers) each.start();
  };
  const beginning = begin();
  beginning.catch(() => undefined);
  return {
    started: beginning,
    busy: () => controllers.filter((each) => !each.idle).map((each) => each.name),
    async stop() {
      stopped = true;
      await Promise.all(controllers.map((each) => each.stop()));
      for (const recorder of recorders.values()) recorder.stop();
      if (!options.informers) informers.stop();
    },
  };
}

/** For clusters whose nodes have no disks. */
const NO_DIRECTORIES: LocalVolumes = { directory: "/var/lib/gantry/local-path", remove: () => Promise.resolve() };

function volumeParts(context: ControllerContext, { localVolumes }: Settings): VolumeParts {
  return {
    context,
    claims: context.informers.informer(RESOURCES.persistentvolumeclaims),
    volumes: context.informers.informer(RESOURCES.persistentvolumes),
    classes: context.informers.informer(RESOURCES.storageclasses),
    events: context.events("persistentvolume-controller"),
    local: localVolumes,
  };
}

/** The binder does not wait for the class: that comes by its own event. */
function withLocalClass(parts: VolumeParts, binder: Controller): Controller {
  return {
    name: binder.name,
    get idle() {
      return binder.idle;
    },
    stop: binder.stop,
    start() {
      binder.start();
      ensureLocalClass(parts).catch((error: unknown) => {
        parts.context.logger.warn({ error: errorText(error) }, "storage class local-path not made");
      });
    },
  };
}

/** The controllers of a `--controllers` list. Throws `invalid` for a name that does not exist. */
function selected(which: readonly string[]): ControllerName[] {
  for (const each of which) {
    const name = each.replace(/^-/, "");
    if (name !== "*" && !(name in CONTROLLERS)) {
      throw new GantryError("invalid", `"${name}" is not in the list of known controllers`);
    }
  }
  return CONTROLLER_NAMES.filter((name) => {
    if (which.includes(`-${name}`)) return false;
    return which.includes(name) || which.includes("*");
  });
}
