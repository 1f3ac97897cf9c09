import type { Readable } from "node:stream";
import { GantryError } from "#base/errors.ts";
import type { Pod } from "#formats/kube-types.generated.ts";
import type { NodeConfig } from "../ports.ts";
import type { NodeStreams, PodLogOptions } from "../streams/node-streams.ts";
import { cadvisorMetrics, resourceMetrics } from "./metrics-text.ts";
import { runCommand } from "./stream-routes.ts";
import { summary } from "./summary.ts";
import type { PodUsage, UsageReader } from "./usage.ts";

export interface Answer {
  readonly contentType: string;
  readonly body: string | Readable;
}

/** What is at a path of the kubelet's API; undefined: nothing. */
export type KubeletRoutes = (url: URL) => Promise<Answer | undefined>;

export interface RouteDeps {
  /** As it is now: the port is known only when the server listens. */
  readonly config: () => NodeConfig;
  readonly startedAt: number;
  readonly usage: UsageReader;
  readonly streams: NodeStreams;
  /** The pods of this node, as the API or their manifest has them. */
  pods(): readonly Pod[];
}

/** The most output of `/run` that is kept. */
const RUN_BYTES = 1024 * 1024;
const JSON_TYPE = "application/json";
const METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8";

export function kubeletRoutes(deps: RouteDeps): KubeletRoutes {
  const { usage } = deps;
  const json = (document: object): Answer => ({ contentType: JSON_TYPE, body: `${JSON.stringify(document)}\n` });
  /** The pods are read first: what a node uses that shares its machine is theirs. */
  const withPods = async (answer: (pods: readonly PodUsage[]) => Answer): Promise<Answer> => answer(await usage.pods());
  return async (url) => {
    const path = url.pathname.replace(/\/+$/, "");
    switch (path) {
      case "/healthz":
      case "/healthz/ping":
      case "/healthz/syncloop":
        return { contentType: "text/plain; charset=utf-8", body: "ok" };
      case "/pods":
        return json(podList(deps.pods()));
      case "/runningpods":
        return json(podList(deps.pods().filter(({ status }) => status?.phase === "Running")));
      case "/configz":
        return json({ kubeletconfig: configuration(deps.config()) });
      case "/stats/summary":
        return withPods((pods) => json(summary(deps.config().name, deps.startedAt, usage.node(), pods)));
      case "/metrics/resource":
        return withPods((pods) => ({ contentType: METRICS_TYPE, body: resourceMetrics(usage.node(), pods) }));
      case "/metrics/cadvisor":
        return { contentType: METRICS_TYPE, body: cadvisorMetrics(await usage.pods()) };
      default:
        if (path.startsWith("/run/"))
          return { contentType: "text/plain; charset=utf-8", body: await runCommand(deps, url, RUN_BYTES) };
        return containerLogs(deps, path, url.searchParams);
    }
  };
}

function podList(items: readonly Pod[]): object {
  return { kind: "PodList", apiVersion: "v1", metadata: {}, items };
}

/** The settings of a KubeletConfiguration (kubelet.config.k8s.io/v1beta1) that Gantry's kubelet has. */
function configuration(config: NodeConfig): object {
  return {
    kind: "KubeletConfiguration",
    apiVersion: "kubelet.config.k8s.io/v1beta1",
    address: config.ips[0],
    port: config.kubeletPort,
    maxPods: config.maxPods,
    clusterDomain: config.clusterDomain,
    clusterDNS: [config.clusterDns],
    ...(config.manifestFolder === undefined ? {} : { staticPodPath: config.manifestFolder }),
    podCIDR: config.podCidrs.join(","),
    authentication: { anonymous: { enabled: false }, webhook: { enabled: true } },
    authorization: { mode: "Webhook" },
    nodeStatusReportFrequency: "5m0s",
    nodeLeaseDurationSeconds: 40,
    containerLogMaxSize: "10Mi",
    containerLogMaxFiles: 5,
  };
}

/** /containerLogs/NAMESPACE/POD/CONTAINER */
async function containerLogs(deps: RouteDeps, path: string, query: URLSearchParams): Promise<Answer | undefined> {
  const [, root, namespace, name, container, more] = path.split("/");
  if (root !== "containerLogs" || !container || more !== undefined) return undefined;
  const pod = deps.pods().find(({ metadata }) => metadata.name === name && metadata.namespace === namespace);
  if (!pod) throw new GantryError("not-found", `pod "${name}" does not exist`);
  const known = [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? [])];
  if (!known.some((one) => one.name === container))
    throw new GantryError("not-found", `container "${container}" not found in pod "${name}"`);
  return { contentType: "text/plain; charset=utf-8", body: await deps.streams.logs(pod, container, logOptions(query)) };
}

function logOptions(query: URLSearchParams): PodLogOptions {
  const tail = query.get("tailLines") ?? query.get("tail");
  const since = query.get("sinceSeconds");
  const isSet = (name: string): boolean => ["true", "1"].includes(query.get(name) ?? "");
  return {
    follow: isSet("follow"),
    previous: isSet("previous"),
    timestamps: isSet("timestamps"),
    ...(tail === null ? {} : { tailLines: count("tailLines", tail) }),
    ...(since === null ? {} : { sinceMs: Date.now() - count("sinceSeconds", since) * 1000 }),
  };
}

function count(name: string, text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new GantryError("invalid", `${name}: ${JSON.stringify(text)} is not a count`);
  return Number(text);
}
