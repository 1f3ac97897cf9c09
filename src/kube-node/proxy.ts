/** The service proxy: makes this node's rules be what Services and EndpointSlices say. */
import type { Clock } from "#base/clock.ts";
import { errorText } from "#base/errors.ts";
import type { Logger } from "#base/logger.ts";
import { objectKey, type KubeObject } from "#formats/kube-object.ts";
import { RESOURCES } from "#formats/kube-resources.ts";
import type { EndpointSlice, Node, Service } from "#formats/kube-types.generated.ts";
import type { InformerFactory } from "#kube-client/informer-factory.ts";
import { openServiceRules, type HostRoute, type ServicePort } from "#network/service-rules.ts";
import type { ApiLink } from "./api-link.ts";
import { healthPorts } from "./proxy/health-ports.ts";
import { servicePorts, type EndpointAddress } from "./proxy/service-ports.ts";

export interface ProxyDeps {
  readonly informers: InformerFactory;
  readonly nodeName: string;
  /** As of base/places.ts: names the table of rules. */
  readonly instance: string;
  /** The pods' ranges of the whole cluster. */
  readonly podRanges: readonly string[];
  readonly hostRoutes?: readonly HostRoute[];
  /** Endpoints that this node provides itself, by `namespace/name` of the service (its name server). */
  readonly ownEndpoints?: ReadonlyMap<string, EndpointAddress>;
  /** Where the network namespace of a node is mounted that is not the machine's own. */
  readonly netns?: string | undefined;
  /** Opens a port on every address of the node, for health checks. */
  readonly listen?: (port: number) => { readonly fd: number };
  /** While it is cut, the rules stay as they are. */
  readonly link?: ApiLink | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface Proxy {
  /** Stops following; the rules stay as they are. */
  close(): void;
  /** Removes the rules from the host. Before `close`. */
  remove(): void;
}

/** A service and its endpoints change together: what comes within this time goes into one transaction. */
const GATHER_MS = 10;
/** After a refusal by the kernel, the time to the next try doubles from the first to the second. */
const RETRY_MS = 1_000;
const MAX_RETRY_MS = 30_000;

const ZONE_LABEL = "topology.kubernetes.io/zone";
const SERVICE_NAME_LABEL = "kubernetes.io/service-name";
const BY_SERVICE = "service";

/** Resolves when the rules hold for everything there is. */
export async function startProxy(deps: ProxyDeps): Promise<Proxy> {
  const { clock, logger } = deps;
  const services = deps.informers.informer(RESOURCES.services);
  const slices = deps.informers.informer(RESOURCES.endpointslices);
  slices.addIndex(BY_SERVICE, (slice) => [serviceOf(slice)]);
  const rules = openServiceRules(deps);
  const nodes = deps.informers.informer(RESOURCES.nodes);
  const own = deps.ownEndpoints ?? new Map<string, EndpointAddress>();
  const zone = (): string | undefined => zoneOf(nodes.cache.get(deps.nodeName));
  const health = deps.listen && healthPorts(deps.listen, logger);
  /** Owners whose rules the kernel has refused: with the next change they are tried again. */
  const dirty = new Set<string>();
  let cancel: (() => void) | undefined;
  let retryMs = RETRY_MS;
  let stopped = false;

  const look = (): void => {
    cancel = undefined;
    if (deps.link?.isCut) return;
    const wanted = new Map<string, readonly ServicePort[]>();
    const viewpoint = { nodeName: deps.nodeName, zone: zone(), own };
    for (const key of dirty) {
      const service = services.cache.get(key);
      wanted.set(key, service ? servicePorts(service, slices.cache.byIndex(BY_SERVICE, key), viewpoint) : []);
    }
    try {
      rules.change(wanted);
      for (const [key, ports] of wanted) health?.set(key, services.cache.get(key), ports);
      dirty.clear();
      retryMs = RETRY_MS;
    } catch (error) {
      logger.error({ error: errorText(error) }, "could not set the service rules");
      plan(retryMs);
      retryMs = Math.min(retryMs * 2, MAX_RETRY_MS);
    }
  };
  const plan = (delayMs: number): void => {
    if (!stopped && !deps.link?.isCut) cancel ??= clock.after(delayMs, look);
  };
  const touch = (key: string): void => {
    dirty.add(key);
    plan(GATHER_MS);
  };
  const handler = <T extends KubeObject>(keyOf: (object: T) => string) => ({
    add: (object: T) => touch(keyOf(object)),
    update(before: T, after: T) {
      touch(keyOf(before));
      touch(keyOf(after));
    },
    delete: (object: T) => touch(keyOf(object)),
  });
  await Promise.all([services.whenSynced(), slices.whenSynced()]);
  /** Which endpoints are near follows from where the node is. */
  const moved = (before: Node | undefined, after: Node): void => {
    if (after.metadata.name !== deps.nodeName || zoneOf(before) === zoneOf(after)) return;
    for (const service of services.cache.values()) touch(objectKey(service));
  };
  const unsubscribe = [
    services.addHandler(handler<Service>(objectKey)),
    slices.addHandler(handler<EndpointSlice>(serviceOf)),
    nodes.addHandler({ add: (node) => moved(undefined, node), update: moved }),
    deps.link?.onMended(() => plan(0)) ?? (() => undefined),
  ];
  cancel?.();
  look();
  return {
    close() {
      stopped = true;
      cancel?.();
      for (const stop of unsubscribe) stop();
      health?.close();
      rules.close();
    },
    remove: () => rules.remove(),
  };
}

function zoneOf(node: Node | undefined): string | undefined {
  return node?.metadata.labels?.[ZONE_LABEL];
}

/** `namespace/name` of the service that a slice belongs to. */
function serviceOf({ metadata }: EndpointSlice): string {
  return `${metadata.namespace ?? ""}/${metadata.labels?.[SERVICE_NAME_LABEL] ?? ""}`;
}
