// Bootstrap tokens (k8s.io/cluster-bootstrap token/api): secrets of kube-system with which nodes introduce themselves.
import { createHmac } from "node:crypto";
import { parseKubeTime } from "#formats/kube-time.ts";
import type { ConfigMap, Secret } from "#formats/kube-types.generated.ts";

export const TOKEN_NAMESPACE = "kube-system";
const TOKEN_TYPE = "bootstrap.kubernetes.io/token";
const NAME_PREFIX = "bootstrap-token-";
const SIGNATURE_PREFIX = "jws-kubeconfig-";

export interface BootstrapToken {
  readonly id: string;
  readonly secret: string;
}

export function isTokenSecret({ type, metadata }: Secret): boolean {
  return type === TOKEN_TYPE && metadata.namespace === TOKEN_NAMESPACE;
}

/** When the token ends, in epoch milliseconds; undefined when it never does. One that cannot be read has ended. */
export function tokenEndMs(secret: Secret): number | undefined {
  const text = field(secret, "expiration");
  return text === "" ? undefined : (parseKubeTime(text) ?? 0);
}

/** The token of a secret that may sign `cluster-info`. */
export function signingToken(secret: Secret, nowMs: number): BootstrapToken | undefined {
  if (!isTokenSecret(secret)) return undefined;
  const id = field(secret, "token-id");
  const value = field(secret, "token-secret");
  const whole = id !== "" && value !== "" && secret.metadata.name === NAME_PREFIX + id;
  const endMs = tokenEndMs(secret);
  const ended = endMs !== undefined && endMs <= nowMs;
  return whole && !ended && field(secret, "usage-bootstrap-signing") === "true" ? { id, secret: value } : undefined;
}

function field({ data }: Secret, name: string): string {
  return Buffer.from(data?.[name] ?? "", "base64").toString();
}

/** Pure: `cluster-info` with a signature for each token, and none of others. */
export function signedInfo(info: ConfigMap, tokens: readonly BootstrapToken[]): ConfigMap {
  const { kubeconfig } = info.data ?? {};
  const kept = Object.entries(info.data ?? {}).filter(([key]) => !key.startsWith(SIGNATURE_PREFIX));
  if (kubeconfig === undefined) return { ...info, data: Object.fromEntries(kept) };
  const signed = tokens.map((token) => [SIGNATURE_PREFIX + token.id, detachedSignature(kubeconfig, token)]);
  return { ...info, data: Object.fromEntries([...kept, ...signed]) };
}

/** A JWS (RFC 7515, HS256) without its payload: the reader has that already. */
export function detachedSignature(content: string, { id, secret }: BootstrapToken): string {
  const header = Buffer.from(JSON.stringify({ alg: "HS256", kid: id })).toString("base64url");
  const payload = Buffer.from(content).toString("base64url");
  const signature = createHmac("sha256", `${id}.${secret}`).update(`${header}.${payload}`).digest("base64url");
  return `${header}..${signature}`;
}
