/** The cluster's name server, in this process: `name.namespace.svc.cluster.local`, and everything else by the host's servers. */
import type { Clock } from "#base/clock.ts";
import { errorText, isGantryError } from "#base/errors.ts";
import type { Logger } from "#base/logger.ts";
import type { Random } from "#base/random.ts";
import { RESOURCES } from "#formats/kube-resources.ts";
import type { EndpointSlice, Service } from "#formats/kube-types.generated.ts";
import type { KubeClient } from "#kube-client/client.ts";
import type { InformerFactory } from "#kube-client/informer-factory.ts";
import { dnsForwarder } from "#network/dns-forwarder.ts";
import { openDnsSockets, serveDns } from "#network/dns-service.ts";
import { hostResolvConf } from "#network/resolv-conf.ts";
import { withinNetns } from "#network/within.ts";
import { answerCache } from "./dns/answer-cache.ts";
import { clusterAnswers } from "./dns/cluster-answers.ts";
import { quickAnswers } from "./dns/quick-answers.ts";
import type { ClusterView } from "./dns/records.ts";
import type { EndpointAddress } from "./proxy/service-ports.ts";

export interface ClusterDnsDeps {
  readonly client: KubeClient;
  readonly informers: InformerFactory;
  /** "cluster.local" */
  readonly clusterDomain: string;
  /** The address at which pods look for it, within the service range. */
  readonly clusterDns: string;
  /** An address of this host that pods reach: the gateway of their bridge. */
  readonly listenAddress: string;
  /** Where the network namespace of that host is mounted, when it is not this one's. */
  readonly netns?: string | undefined;
  /** Servers (`address` or `address#port`) for other names; by default the host's, read at each query. */
  readonly upstreams?: (() => readonly string[]) | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

export interface ClusterDns {
  /**
   * Where it listens: any free port of `listenAddress`, so that whatever serves DNS on this host is not in its way. The service
   * proxy leads the cluster's address there.
   */
  readonly endpoint: EndpointAddress;
  close(): void;
}

/** `namespace/name` of the service that stands for it. */
export const DNS_SERVICE = "kube-system/kube-dns";

const SERVICE_NAME_LABEL = "kubernetes.io/service-name";
const RETRY_MS = 500;
const MAX_RETRY_MS = 30_000;

/** Resolves when it answers with everything there is. The service is made when it is missing, in the background. */
export async function startClusterDns(deps: ClusterDnsDeps): Promise<ClusterDns> {
  const { clock, random, logger } = deps;
  const view = clusterView(deps.informers);
  const zone = deps.clusterDomain.toLowerCase();
  const answers = clusterAnswers({
    zone: deps.clusterDomain,
    view: view.view,
    forwarder: dnsForwarder({ clock, random }),
    upstreams: deps.upstreams ?? (() => hostResolvConf().nameservers),
    cache: answerCache(clock),
    random,
  });
  await view.whenSynced();
  const { answer, quick, forget } = quickAnswers(answers, (name) => name === zone || name.endsWith(`.${zone}`));
  const unsubscribe = view.onChange(forget);
  const sockets = withinNetns(deps.netns)(() => openDnsSockets({ address: deps.listenAddress, port: 0 }));
  const service = serveDns(sockets, answer, logger, quick);
  // One node of a machine is enough to make it.
  const cancel = deps.netns === undefined ? ensureService(deps, view.view) : () => undefined;
  return {
    endpoint: { address: deps.listenAddress, port: service.port },
    close() {
      cancel();
      unsubscribe();
      service.close();
    },
  };
}

function clusterView(informers: InformerFactory): {
  view: ClusterView;
  whenSynced: () => Promise<unknown>;
  /** Anything that an answer may follow from; the result unsubscribes. */
  onChange(changed: () => void): () => void;
} {
  const services = informers.informer(RESOURCES.services);
  const slices = informers.informer(RESOURCES.endpointslices);
  const namespaces = informers.informer(RESOURCES.namespaces);
  services.addIndex("clusterIP", (service) => clusterIPs(service));
  slices.addIndex("service", (slice) => [serviceOf(slice)]);
  slices.addIndex("address", (slice) => (slice.endpoints ?? []).flatMap(({ addresses }) => addresses));
  return {
    view: {
      service: (namespace, name) => services.cache.get(`${namespace}/${name}`),
      slices: (namespace, name) => slices.cache.byIndex("service", `${namespace}/${name}`),
      hasNamespace: (name) => namespaces.cache.get(name) !== undefined,
      servicesAt: (address) => services.cache.byIndex("clusterIP", address),
      slicesAt: (address) => slices.cache.byIndex("address", address),
    },
    onChange(changed) {
      const handler = { add: changed, update: changed, delete: changed };
      const stop = [services.addHandler(handler), slices.addHandler(handler), namespaces.addHandler(handler)];
      return () => stop.forEach((each) => each());
    },
    whenSynced: () => Promise.all([services, slices, namespaces].map((each) => each.whenSynced())),
  };
}

function clusterIPs({ spec }: Service): readonly string[] {
  const all = spec?.clusterIPs?.length ? spec.clusterIPs : [spec?.clusterIP ?? ""];
  return all.filter((address) => address !== "" && address !== "None");
}

function serviceOf({ metadata }: EndpointSlice): string {
  return `${metadata.namespace ?? ""}/${metadata.labels?.[SERVICE_NAME_LABEL] ?? ""}`;
}

/** The service as kubeadm makes it, without a selector: this process is its endpoint. The result stops trying. */
function ensureService({ client, clusterDns, clock, logger }: ClusterDnsDeps, view: ClusterView): () => void {
  const [namespace = "", name = ""] = DNS_SERVICE.split("/");
  const service: Service = {
    apiVersion: "v1",
    kind: "Service",
    metadata: {
      name,
      namespace,
      labels: { "k8s-app": "kube-dns", "kubernetes.io/cluster-service": "true", "kubernetes.io/name": "CoreDNS" },
    },
    spec: {
      clusterIP: clusterDns,
      ports: [
        { name: "dns", port: 53, protocol: "UDP", targetPort: 53 },
        { name: "dns-tcp", port: 53, protocol: "TCP", targetPort: 53 },
      ],
    },
  };
  let cancel: (() => void) | undefined;
  let stopped = false;
  const attempt = async (delayMs: number): Promise<void> => {
    // Its address would be refused as taken before its name.
    if (view.service(namespace, name)) return;
    try {
      await client.create(RESOURCES.services, service);
    } catch (error) {
      if (isGantryError(error, "already-exists") || stopped) return;
      logger.warn({ error: errorText(error) }, "could not make the service of the cluster's name server yet");
      cancel = clock.after(delayMs, () => void attempt(Math.min(delayMs * 2, MAX_RETRY_MS)));
    }
  };
  void attempt(RETRY_MS);
  return () => {
    stopped = true;
    cancel?.();
  };
}
