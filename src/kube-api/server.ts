import { randomBytes } from "node:crypto";
import { setImmediate as nextTurn } from "node:timers/promises";
import { systemClock, type Clock } from "#base/clock.ts";
import { silentLogger, type Logger } from "#base/logger.ts";
import { systemRandom, type Random } from "#base/random.ts";
import type { Store, Watch } from "#store/store.ts";
import { admissionChain, selectPlugins } from "./admission/admission.ts";
import { builtInAdmission } from "./admission/built-in.ts";
import type { Api } from "./api.ts";
import { authenticator } from "./auth/authentication.ts";
import { bootstrapTokens } from "./auth/bootstrap-tokens.ts";
import { mastersFirst } from "./auth/authorizer.ts";
import { rbacAuthorizer } from "./auth/rbac.ts";
import { serviceAccountTokens, type Lookup } from "./auth/tokens.ts";
import { advertise, bootstrap } from "./bootstrap/bootstrap.ts";
import type { Advertised } from "./bootstrap/api-service.ts";
import { clusterCertificates, type ClusterCertificates } from "./certificates.ts";
import { customResourceController } from "./custom/controller.ts";
import type { User } from "./context.ts";
import { discovery } from "./http/discovery.ts";
import type { Request, Response } from "./http/exchange.ts";
import { fairShare } from "./http/fair-share.ts";
import { requestHandler } from "./http/handler.ts";
import { healthEndpoints } from "./http/health.ts";
import { listen, type Listener } from "./http/listener.ts";
import { requestMetrics } from "./http/metrics.ts";
import { openApiDocuments } from "./http/openapi.ts";
import type { LocalServer } from "./local-client.ts";
import { metricsResources } from "./metrics/documents.ts";
import type { MetricsSource } from "./metrics-source.ts";
import type { NodeStreams } from "./node-streams.ts";
import { resourceProxy } from "./proxy/proxy.ts";
import { documentOf } from "./registry/document.ts";
import { keyOf } from "./registry/keys.ts";
import { resourceTable, type ResourceTable } from "./resources/table.ts";
import type { SchedulingSource } from "./scheduling-source.ts";
import { apiService, type Service } from "./service.ts";
import { builtInStrategies } from "./strategies/built-in.ts";
import { signingRequestStrategy } from "./strategies/signing-requests.ts";
import { adoptService, serviceStrategy, type ServicePools } from "./strategies/services.ts";
import { upgradeHandler } from "./streaming/upgrade.ts";
import { portPool } from "./strategies/services/addresses.ts";
import { followRanges, rangePool, type RangePool } from "./strategies/services/ranges.ts";

export interface ApiServerOptions {
  readonly store: Store;
  readonly clock?: Clock;
  readonly random?: Random;
  readonly logger?: Logger;
  /** Made in memory, when first needed, if not given. */
  readonly certificates?: ClusterCertificates;
  /** `10.96.0.0/16`; for two families one of each with a comma between, the default first. */
  readonly serviceCidr?: string;
  readonly nodePorts?: { readonly low: number; readonly high: number };
  /** `cluster.local`; names the token issuer. */
  readonly clusterDomain?: string;
  /** Bearer tokens that stand for a user. */
  readonly staticTokens?: ReadonlyMap<string, User>;
  /** Where logs, exec, attach and port-forward come from; may be set later (`useNodes`). */
  readonly nodeStreams?: NodeStreams;
  /** Stands between all clients and the service: what tests put there (`faults.ts`). */
  readonly aroundService?: (service: Service) => Service;
  /** Admission plugins by name, as in `--controllers`: names, `*`, `-name`. All by default. */
  readonly admission?: readonly string[];
}

export interface ApiServer extends LocalServer {
  readonly api: Api;
  readonly certificates: ClusterCertificates;
  /** Makes what a cluster has from the start. Before it, nothing may be asked. */
  start(): Promise<void>;
  /** Serves HTTPS. May be called for several addresses. */
  listen(options?: { readonly host?: string; readonly port?: number }): Promise<Listener>;
  /** Tells where the `kubernetes` service leads. */
  advertise(where: Advertised): Promise<void>;
  /** Plugs in the nodes, once they are there. */
  useNodes(streams: NodeStreams): void;
  /** Tells more at /metrics: Prometheus' text of what the rest of the process counts. */
  addMetrics(text: () => string): void;
  /** Serves pods/NAME/scheduling from this scheduler. */
  useScheduling(source: SchedulingSource): void;
  /** Serves metrics.k8s.io from these readings. */
  useMetrics(source: MetricsSource): void;
  handle(request: Request, response: Response): Promise<void>;
  close(): Promise<void>;
}

const SERVICE_CIDR = "10.96.0.0/16";
const CLUSTER_DOMAIN = "cluster.local";
const NODE_PORTS = { low: 30000, high: 32767 };

/** An API server over a store, which stays the caller's to close. */
export function createApiServer(options: ApiServerOptions): ApiServer {
  const { store, logger = silentLogger, serviceCidr = SERVICE_CIDR } = options;
  const certificates = certificatesOf(options);
  const { api, pools } = assembleApi(options, certificates);
  const { resources, rbac } = api;
  const own = apiService(api, api.authorizer);
  const service = options.aroundService?.(own) ?? own;
  const custom = customResourceController(api);
  let nodeStreams = options.nodeStreams;
  let started = false;
  const counters: (() => string)[] = [];
  let ranges: Watch | undefined;
  const { handle, upgrade } = httpSide(options, api, service, {
    nodes: () => nodeStreams,
    certificates,
    isStarted: () => started,
    metricsText: () => counters.map((text) => text()).join(""),
  });
  const listeners: Listener[] = [];
  return {
    api,
    resources,
    service,
    get certificates() {
      return certificates();
    },
    handle,
    async start() {
      const { prefix } = resources.expect("networking.k8s.io", "v1", "servicecidrs");
      ranges = await followRanges(store, prefix, pools.addresses);
      await adoptServices(store, resources, pools);
      await rbac.start(store);
      await bootstrap(api, serviceCidr);
      await custom.start();
      // Watchers within the server (the index of roles) learn of what was just made with the next turn.
      await nextTurn();
      started = true;
    },
    async listen({ host = "127.0.0.1", port = 0 } = {}) {
      const { caCert, server } = certificates();
      const listener = await listen({ caCert, server, handle, upgrade, logger }, host, port);
      listeners.push(listener);
      return listener;
    },
    useNodes(streams) {
      nodeStreams = streams;
    },
    addMetrics: (text) => void counters.push(text),
    useScheduling: (source) => void (api.scheduling.source = source),
    useMetrics: (source) => resources.replace("metrics.k8s.io", metricsResources(api, source)),
    advertise: (where) => advertise(api, serviceCidr, where),
    async close() {
      await Promise.all(listeners.map((listener) => listener.close()));
      ranges?.close();
      custom.close();
      rbac.close();
    },
  };
}

/** The certificates given, or ones in memory, made when first asked for. */
function certificatesOf({ certificates, clusterDomain = CLUSTER_DOMAIN, clock = systemClock }: ApiServerOptions) {
  let made = certificates;
  return (): ClusterCertificates => (made ??= clusterCertificates({ names: [], clusterDomain, clock }));
}

/** Everything below HTTP. */
function assembleApi(
  options: ApiServerOptions,
  certificates: () => ClusterCertificates,
): { api: Api; pools: ServicePools & { readonly addresses: RangePool } } {
  const { store, clock = systemClock, random = systemRandom, logger = silentLogger } = options;
  const { serviceCidr = SERVICE_CIDR, nodePorts = NODE_PORTS, clusterDomain = CLUSTER_DOMAIN } = options;
  const resources = resourceTable();
  const rbac = rbacAuthorizer();
  const authorizer = mastersFirst(rbac);
  const pools = {
    addresses: rangePool(serviceCidr.split(","), random),
    nodePorts: portPool(nodePorts.low, nodePorts.high, random),
  };
  const tokens = serviceAccountTokens({
    key: () => certificates().serviceAccountKey,
    issuer: `https://kubernetes.default.svc.${clusterDomain}`,
    clock,
    random,
    lookup: lookupIn(store, resources),
  });
  const strategies = builtInStrategies({
    services: serviceStrategy(pools),
    "certificatesigningrequests.certificates.k8s.io": signingRequestStrategy(clock),
  });
  const plugins = builtInAdmission({ store, resources, random, logger, rbac, authorizer, api: () => api });
  const admission = admissionChain(selectPlugins(plugins, options.admission ?? ["*"]));
  const parts = { store, clock, random, logger, resources, strategies, admission, authorizer, rbac, tokens };
  const api: Api = { ...parts, scheduling: { source: undefined } };
  return { api, pools };
}

interface ServerState {
  certificates(): ClusterCertificates;
  nodes(): NodeStreams | undefined;
  isStarted(): boolean;
  metricsText(): string;
}

/** What answers requests, and what takes connections over. */
function httpSide(
  { staticTokens = new Map() }: ApiServerOptions,
  api: Api,
  service: Service,
  { nodes, certificates, isStarted, metricsText }: ServerState,
) {
  const { resources, authorizer, tokens, logger, store } = api;
  const authentication = authenticator({
    tokens,
    staticTokens,
    bootstrapTokens: bootstrapTokens(lookupIn(store, resources), api.clock),
  });
  const ping = { name: "ping", check: () => undefined };
  const booted = { name: "poststarthook/bootstrap", check: () => (isStarted() ? undefined : "not finished") };
  const proxy = resourceProxy(api, certificates);
  const handle = requestHandler({
    api,
    service,
    authorizer,
    authenticator: authentication,
    shares: fairShare(),
    nodes,
    proxy,
    logger,
    discovery: discovery(resources),
    openApi: openApiDocuments(resources),
    health: healthEndpoints([ping, booted], [ping]),
    metrics: requestMetrics(() => store.revision, metricsText),
    tokens,
  });
  return { handle, upgrade: upgradeHandler({ api, authenticator: authentication, authorizer, nodes, proxy, logger }) };
}

async function adoptServices(store: Store, resources: ResourceTable, pools: ServicePools): Promise<void> {
  const { prefix } = resources.expect("", "v1", "services");
  for (const entry of (await store.range(prefix)).items) adoptService(pools, documentOf(entry).object);
}

function lookupIn(store: Store, resources: ResourceTable): Lookup {
  return async (resource, namespace, name) => {
    const entry = await store.get(keyOf(resources.expect("", "v1", resource), namespace, name));
    return entry ? documentOf(entry).object : undefined;
  };
}

/** A random bearer token, for `staticTokens`. */
export function newBearerToken(): string {
  return randomBytes(32).toString("base64url");
}
