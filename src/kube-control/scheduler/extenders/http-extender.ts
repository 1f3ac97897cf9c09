import { request as httpRequest } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import { errorText, GantryError } from "#base/errors.ts";
import type { Container, Node, Pod } from "#formats/kube-types.generated.ts";
import type { PodInfo } from "../cluster/pod-info.ts";
import type { Extender, ExtenderConfig, ExtenderFilterResult, ExtenderVictims } from "./extender.ts";

// The documents of k8s.io/kube-scheduler/extender/v1: their fields have no JSON names of their own and are written as in Go.
interface FilterAnswer {
  readonly Nodes?: { readonly items?: readonly Node[] } | null;
  readonly NodeNames?: readonly string[] | null;
  readonly FailedNodes?: Readonly<Record<string, string>> | null;
  readonly FailedAndUnresolvableNodes?: Readonly<Record<string, string>> | null;
  readonly Error?: string;
}

interface MetaVictims {
  readonly Pods?: readonly { readonly UID: string }[] | null;
  readonly NumPDBViolations?: number;
}

/** An extender that is reached over HTTP or HTTPS, one POST for each question. */
export function httpExtender(config: ExtenderConfig): Extender {
  const send = sender(config);
  const nodesArgument = (nodes: readonly Node[]): object =>
    config.nodeCacheCapable
      ? { NodeNames: nodes.map(({ metadata }) => metadata.name ?? "") }
      : { Nodes: { metadata: {}, items: nodes } };
  return {
    name: config.urlPrefix,
    ignorable: config.ignorable,
    weight: config.weight,
    concerns: ({ pod }) => concerns(config, pod),
    filter:
      config.filterVerb === ""
        ? undefined
        : async ({ pod }, nodes) => {
            const answer = (await send(config.filterVerb, { Pod: pod, ...nodesArgument(nodes) })) as FilterAnswer;
            return filterResult(config.urlPrefix, answer, nodes);
          },
    prioritize:
      config.prioritizeVerb === ""
        ? undefined
        : async ({ pod }, nodes) => {
            const answer = await send(config.prioritizeVerb, { Pod: pod, ...nodesArgument(nodes) });
            const list = (answer ?? []) as readonly { readonly Host: string; readonly Score: number }[];
            return new Map(list.map(({ Host, Score }) => [Host, Score]));
          },
    preempt:
      config.preemptVerb === ""
        ? undefined
        : async ({ pod }, candidates) => {
            const answer = await send(config.preemptVerb, { Pod: pod, ...victimsArgument(config, candidates) });
            return victimsResult(answer as { readonly NodeNameToMetaVictims?: Record<string, MetaVictims> | null });
          },
    bind:
      config.bindVerb === ""
        ? undefined
        : async ({ pod, uid }, nodeName) => {
            const { name, namespace } = pod.metadata;
            const args = { PodName: name, PodNamespace: namespace, PodUID: uid, Node: nodeName };
            const answer = (await send(config.bindVerb, args)) as { readonly Error?: string } | null;
            if (answer?.Error) throw new GantryError("unavailable", answer.Error);
          },
  };
}

function concerns({ managedResources }: ExtenderConfig, { spec }: Pod): boolean {
  if (managedResources.length === 0) return true;
  const names = new Set(managedResources.map(({ name }) => name));
  const asks = ({ resources }: Container): boolean =>
    [...Object.keys(resources?.requests ?? {}), ...Object.keys(resources?.limits ?? {})].some((name) =>
      names.has(name),
    );
  return [...(spec?.containers ?? []), ...(spec?.initContainers ?? [])].some(asks);
}

function filterResult(extender: string, answer: FilterAnswer, nodes: readonly Node[]): ExtenderFilterResult {
  if (answer.Error) throw new GantryError("unavailable", answer.Error);
  const sent = new Set(nodes.map(({ metadata }) => metadata.name ?? ""));
  const passed = answer.NodeNames ?? (answer.Nodes?.items ?? []).map(({ metadata }) => metadata.name ?? "");
  const stranger = passed.find((name) => !sent.has(name));
  if (stranger !== undefined) {
    throw new GantryError(
      "invalid",
      `extender "${extender}" claims a filtered node "${stranger}" which is not found in the input node list`,
    );
  }
  return {
    passed: new Set(passed),
    failed: new Map(Object.entries(answer.FailedNodes ?? {})),
    unresolvable: new Map(Object.entries(answer.FailedAndUnresolvableNodes ?? {})),
  };
}

function victimsArgument(
  { nodeCacheCapable }: ExtenderConfig,
  candidates: ReadonlyMap<string, { readonly pods: readonly PodInfo[]; readonly budgetViolations: number }>,
): object {
  const entries = Array.from(candidates, ([node, { pods, budgetViolations }]) => {
    const Pods = nodeCacheCapable ? pods.map(({ uid }) => ({ UID: uid })) : pods.map(({ pod }) => pod);
    return [node, { Pods, NumPDBViolations: budgetViolations }] as const;
  });
  return { [nodeCacheCapable ? "NodeNameToMetaVictims" : "NodeNameToVictims"]: Object.fromEntries(entries) };
}

function victimsResult(answer: {
  readonly NodeNameToMetaVictims?: Record<string, MetaVictims> | null;
}): Map<string, ExtenderVictims> {
  const entries = Object.entries(answer.NodeNameToMetaVictims ?? {});
  return new Map(
    entries.map(([node, { Pods, NumPDBViolations = 0 }]) => [
      node,
      { uids: (Pods ?? []).map(({ UID }) => UID), budgetViolations: NumPDBViolations },
    ]),
  );
}

/** Answers are read up to this size; 20,000 nodes as documents are some 100 MB. */
const MAX_ANSWER_BYTES = 256 * 1024 * 1024;

function sender(config: ExtenderConfig): (verb: string, body: object) => Promise<unknown> {
  const prefix = config.urlPrefix.replace(/\/+$/, "");
  const { tls } = config;
  const secure = config.enableHttps || prefix.startsWith("https:");
  const agent = secure
    ? new HttpsAgent({
        keepAlive: true,
        cert: tls.cert,
        key: tls.key,
        ca: tls.ca,
        servername: tls.serverName,
        // As kube-scheduler: without an authority to go by, the extender is not asked for its name.
        rejectUnauthorized: !(tls.insecure || tls.ca === undefined),
      })
    : undefined;
  return (verb, body) => post(`${prefix}/${verb}`, JSON.stringify(body), verb, config.timeoutMs, agent);
}

function post(
  url: string,
  body: string,
  verb: string,
  timeoutMs: number,
  agent: HttpsAgent | undefined,
): Promise<unknown> {
  const { promise, resolve, reject } = Promise.withResolvers<unknown>();
  const fail = (text: string): void => reject(new GantryError("unavailable", text));
  const start = agent ? httpsRequest : httpRequest;
  const headers = { "content-type": "application/json", "content-length": Buffer.byteLength(body) };
  const options = { method: "POST", headers, signal: AbortSignal.timeout(timeoutMs), ...(agent && { agent }) };
  const request = start(url, options, (response) => {
    const chunks: Buffer[] = [];
    let size = 0;
    response.on("data", (chunk: Buffer) => {
      size += chunk.length;
      if (size > MAX_ANSWER_BYTES) response.destroy(new Error("the answer is too large"));
      else chunks.push(chunk);
    });
    response.on("error", (error) => fail(`extender at ${url}: ${errorText(error)}`));
    response.on("end", () => {
      if (response.statusCode !== 200) {
        return fail(`failed ${verb} with extender at URL ${url}, code ${response.statusCode ?? 0}`);
      }
      try {
        resolve(JSON.parse(Buffer.concat(chunks).toString()));
      } catch (error) {
        fail(`extender at ${url}: ${errorText(error)}`);
      }
    });
  });
  request.on("error", (error) => fail(`extender at ${url}: ${errorText(error)}`));
  request.end(body);
  return promise;
}
