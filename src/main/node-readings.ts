import { request, type RequestOptions } from "node:https";
import { errorText } from "#base/errors.ts";
import type { Logger } from "#base/logger.ts";
import { RESOURCES } from "#formats/kube-resources.ts";
import { parseKubeTime } from "#formats/kube-time.ts";
import type { Node } from "#formats/kube-types.generated.ts";
import type { ClusterCertificates } from "#kube-api/certificates.ts";
import type { MetricsSource, NodeReading, UsageReading } from "#kube-api/metrics-source.ts";
import type { InformerFactory } from "#kube-client/informer-factory.ts";
import type { Kubelet } from "#kube-node/kubelet.ts";

export interface NodeReadingsOptions {
  readonly informers: InformerFactory;
  readonly certificates: ClusterCertificates;
  /** The node of this process is read without a connection. */
  readonly local: { readonly name: string; readonly usage: Kubelet["usage"] };
  readonly logger: Logger;
}

/** A node that takes longer is left out, as by metrics-server. */
const LIMIT_MS = 10_000;
const SIMULATED = "gantry.dev/simulated";
const MAX_BODY_BYTES = 16 * 1024 * 1024;

/** Reads what the nodes of the cluster use: this one directly, others over their kubelets' HTTPS API. */
export function nodeReadings(options: NodeReadingsOptions): MetricsSource {
  const nodes = options.informers.informer(RESOURCES.nodes);
  const readRemote = remoteReader(options.certificates);
  const readNode = async (node: Node): Promise<NodeReading | undefined> => {
    const { name = "" } = node.metadata;
    try {
      return name === options.local.name ? await readLocal(options.local) : await readRemote(node);
    } catch (error) {
      options.logger.debug({ node: name, error: errorText(error) }, "node not read");
      return undefined;
    }
  };
  return {
    async read() {
      // Simulated nodes have no kubelet to ask.
      const real = Array.from(nodes.cache.values()).filter(
        ({ metadata }) => metadata.labels?.[SIMULATED] === undefined,
      );
      const readings = await Promise.all(real.map(readNode));
      return readings.filter((reading) => reading !== undefined);
    },
  };
}

async function readLocal({ name, usage }: NodeReadingsOptions["local"]): Promise<NodeReading> {
  const pods = await usage.pods();
  const { cpu, memory } = usage.node();
  return {
    name,
    usage: { atMs: cpu.at, cpuNanos: Number(cpu.coreNanos), memoryBytes: memory.workingSetBytes },
    pods: pods.map(({ namespace, name: podName, containers }) => ({
      namespace,
      name: podName,
      containers: containers.map((container) => ({
        name: container.name,
        atMs: container.cpu.at,
        startedAtMs: container.startedAt,
        cpuNanos: Number(container.cpu.coreNanos),
        memoryBytes: container.memory.workingSetBytes,
      })),
    })),
  };
}

/** The parts of /stats/summary that are read (k8s.io/kubelet stats/v1alpha1). */
interface SummaryStats {
  readonly startTime?: string;
  readonly cpu?: { readonly usageCoreNanoSeconds?: number };
  readonly memory?: { readonly workingSetBytes?: number };
}

interface Summary {
  readonly node: SummaryStats & { readonly nodeName: string };
  readonly pods: readonly {
    readonly podRef: { readonly name: string; readonly namespace: string };
    readonly containers?: readonly (SummaryStats & { readonly name: string })[];
  }[];
}

function remoteReader(certificates: ClusterCertificates): (node: Node) => Promise<NodeReading> {
  const pair = certificates.client("kube-apiserver-kubelet-client", ["system:masters"]);
  return async (node) => {
    const summary = (await getJson({
      host: node.status?.addresses?.find(({ type }) => type === "InternalIP")?.address ?? "",
      port: node.status?.daemonEndpoints?.kubeletEndpoint?.Port ?? 10250,
      path: "/stats/summary",
      ca: certificates.caCert,
      cert: pair.cert,
      key: pair.key,
      timeout: LIMIT_MS,
    })) as Summary;
    // Since when the node's processors count does not matter: they never start anew.
    const { startTime: _, ...own } = summary.node;
    // The document tells whole seconds only.
    const atMs = Date.now();
    return {
      name: node.metadata.name ?? "",
      usage: readingOf(own, atMs),
      pods: summary.pods.map(({ podRef, containers = [] }) => ({
        namespace: podRef.namespace,
        name: podRef.name,
        containers: containers.map(({ name, ...stats }) => ({ name, ...readingOf(stats, atMs) })),
      })),
    };
  };
}

function readingOf({ startTime, cpu, memory }: SummaryStats, atMs: number): UsageReading {
  const startedAtMs = parseKubeTime(startTime);
  return {
    atMs,
    ...(startedAtMs === undefined ? {} : { startedAtMs }),
    cpuNanos: cpu?.usageCoreNanoSeconds ?? 0,
    memoryBytes: memory?.workingSetBytes ?? 0,
  };
}

function getJson(options: RequestOptions): Promise<unknown> {
  const { promise, resolve, reject } = Promise.withResolvers<unknown>();
  const asked = request(options, (response) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    response.on("data", (chunk: Buffer) => {
      bytes += chunk.byteLength;
      if (bytes > MAX_BODY_BYTES) asked.destroy(new Error(`an answer of more than ${MAX_BODY_BYTES} bytes`));
      chunks.push(chunk);
    });
    response.on("error", reject);
    response.on("end", () => {
      if (response.statusCode !== 200) return reject(new Error(`answered ${response.statusCode}`));
      try {
        resolve(JSON.parse(Buffer.concat(chunks).toString()));
      } catch (error) {
        reject(error);
      }
    });
  });
  asked.on("timeout", () => asked.destroy(new Error(`no answer in ${LIMIT_MS} ms`)));
  asked.on("error", reject);
  asked.end();
  return promise;
}
