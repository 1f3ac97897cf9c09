import { join } from "node:path";
import { RESOURCES } from "#formats/kube-resources.ts";
import { GantryError, isGantryError } from "#base/errors.ts";
import type { KubeObject, Typed } from "#formats/kube-object.ts";
import type { Pod } from "#formats/kube-types.generated.ts";
import { cpuQuantity } from "../node-object.ts";
import type { NodeDeps } from "../ports.ts";
import type { TokenSource } from "../volumes/files.ts";
import type { ConfigSource } from "./environment.ts";
import type { PodFacts } from "./field-ref.ts";

/** A token is renewed after 80 % of its life, or after 24 hours (kubelet token manager). */
const RENEW_AT = 0.8;
const LONGEST_TOKEN_MS = 24 * 3600 * 1000;

/** Reads an object from the informer's cache; one that is not there yet is asked for. */
async function cached<T extends KubeObject>(
  { informers, client }: NodeDeps,
  resource: Typed<T>,
  namespace: string,
  name: string,
  word: string,
): Promise<T> {
  const found = informers.informer(resource).cache.get(`${namespace}/${name}`);
  if (found) return found;
  try {
    return await client.get(resource, namespace, name);
  } catch (error) {
    if (isGantryError(error, "not-found")) throw new GantryError("not-found", `${word} "${name}" not found`, {}, error);
    throw error;
  }
}

export function configSource(deps: NodeDeps): ConfigSource {
  return {
    configMap: (namespace, name) => cached(deps, RESOURCES.configmaps, namespace, name, "configmap"),
    secret: (namespace, name) => cached(deps, RESOURCES.secrets, namespace, name, "secret"),
  };
}

export function podFacts({ config, host }: NodeDeps, podIps: readonly string[]): PodFacts {
  const has = host.capacity();
  return {
    podIps,
    hostIps: config.ips,
    nodeCapacity: {
      cpu: cpuQuantity(has.cpuMillis),
      memory: String(has.memoryBytes),
      "ephemeral-storage": String(has.diskBytes),
    },
  };
}

/** Bound service account tokens by TokenRequest, kept until they are to be renewed. */
export function tokenSource({ client, clock }: NodeDeps, pod: Pod): TokenSource {
  const held = new Map<string, { token: string; renewAt: number }>();
  return async ({ audience, expirationSeconds }) => {
    const key = `${audience ?? ""} ${expirationSeconds}`;
    const have = held.get(key);
    if (have && have.renewAt > clock.now()) return have;
    const { namespace, name, uid } = pod.metadata;
    const answer = (await client.post(
      RESOURCES.serviceaccounts,
      namespace,
      pod.spec?.serviceAccountName ?? "default",
      "token",
      {
        apiVersion: "authentication.k8s.io/v1",
        kind: "TokenRequest",
        spec: {
          audiences: audience === undefined ? [] : [audience],
          expirationSeconds,
          boundObjectRef: { apiVersion: "v1", kind: "Pod", name, uid },
        },
      },
    )) as { status?: { token?: string; expirationTimestamp?: string } };
    const { token, expirationTimestamp } = answer.status ?? {};
    if (token === undefined)
      throw new GantryError(
        "internal",
        `the API server gave no token for service account ${namespace}/${pod.spec?.serviceAccountName}`,
      );
    const lifeMs = Date.parse(expirationTimestamp ?? "") - clock.now();
    const fresh = { token, renewAt: clock.now() + Math.min(LONGEST_TOKEN_MS, lifeMs * RENEW_AT) };
    held.set(key, fresh);
    return fresh;
  };
}

/** This pod's own directory on the node. */
export function podDirectory({ config }: NodeDeps, pod: Pod): string {
  return join(config.dataDir, "pods", pod.metadata.uid ?? "");
}

/** The persistent volume of a claim; `not-found` until the claim is bound. */
export async function claimVolume(deps: NodeDeps, namespace: string, name: string) {
  const claim = await cached(deps, RESOURCES.persistentvolumeclaims, namespace, name, "persistentvolumeclaim");
  const volumeName = claim.spec?.volumeName;
  if (!volumeName || claim.status?.phase !== "Bound")
    throw new GantryError("not-found", `persistentvolumeclaim "${name}" is not bound to a volume yet`);
  return deps.client.get(RESOURCES.persistentvolumes, undefined, volumeName);
}
