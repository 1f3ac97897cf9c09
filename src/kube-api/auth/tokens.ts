// Service account tokens: JSON Web Tokens signed with the cluster's own key (k8s.io/kubernetes pkg/serviceaccount).
import { createPrivateKey, createPublicKey, createHash, type KeyObject } from "node:crypto";
import type { Clock } from "#base/clock.ts";
import { uuid } from "#base/ids.ts";
import type { Random } from "#base/random.ts";
import type { KubeObject } from "#formats/kube-object.ts";
import type { User } from "../context.ts";
import { unauthorized } from "../status.ts";

/** An object whose removal ends the token. */
export interface BoundObject {
  readonly kind: "Pod" | "Secret" | "Node";
  readonly name: string;
  readonly uid: string;
}

export interface TokenRequest {
  readonly account: KubeObject;
  readonly audiences: readonly string[];
  readonly expirationSeconds: number;
  readonly bound?: BoundObject | undefined;
  /** The node that the bound pod is on. */
  readonly node?: { readonly name: string; readonly uid: string } | undefined;
}

interface Reference {
  readonly name: string;
  readonly uid: string;
}

interface Claims {
  readonly iss: string;
  readonly sub: string;
  readonly aud: readonly string[];
  readonly exp: number;
  readonly jti: string;
  readonly "kubernetes.io": {
    readonly namespace: string;
    readonly serviceaccount: Reference;
    readonly pod?: Reference;
    readonly secret?: Reference;
    readonly node?: Reference;
  };
}

/** Finds an object that a token speaks of: it must still be there, with the same uid. */
export type Lookup = (
  resource: "serviceaccounts" | "pods" | "secrets" | "nodes",
  namespace: string,
  name: string,
) => Promise<KubeObject | undefined>;

export interface Tokens {
  readonly issuer: string;
  /** What a token is for when a request names no audience. */
  readonly audiences: readonly string[];
  issue(request: TokenRequest): Promise<{ readonly token: string; readonly expiresMs: number }>;
  /** The user of a token, and which of `audiences` it is for. Throws `unauthorized`. */
  verify(
    token: string,
    audiences?: readonly string[],
  ): Promise<{ readonly user: User; readonly audiences: readonly string[] }>;
  /** The public keys, as a JSON Web Key Set. */
  keySet(): Promise<object>;
}

export interface TokenOptions {
  /** PEM, PKCS 8, P-256; asked for when it is first needed. */
  readonly key: () => string;
  readonly issuer: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly lookup: Lookup;
}

const ALGORITHM = "ES256";
/** Tokens whose signature was checked; beyond it all are forgotten and checked again. */
const MAX_VERIFIED = 10_000;

export function serviceAccountTokens({ key, issuer, clock, random, lookup }: TokenOptions): Tokens {
  const audiences = [issuer];
  let keys: { privateKey: KeyObject; publicKey: KeyObject; id: string } | undefined;
  const verified = new Map<string, Claims>();
  const keyPair = () => {
    if (keys) return keys;
    const privateKey = createPrivateKey(key());
    const publicKey = createPublicKey(privateKey);
    const id = createHash("sha256")
      .update(publicKey.export({ type: "spki", format: "der" }))
      .digest("base64url");
    keys = { privateKey, publicKey, id };
    return keys;
  };
  const claimsOf = async (token: string): Promise<Claims> => {
    const known = verified.get(token);
    if (known) return known;
    const jose = await import("jose");
    // Whatever is wrong with it, the client is told no more than that.
    const { payload } = await jose
      .jwtVerify(token, keyPair().publicKey, { algorithms: [ALGORITHM], issuer, currentDate: new Date(clock.now()) })
      .catch(() => {
        throw unauthorized();
      });
    if (verified.size >= MAX_VERIFIED) verified.clear();
    verified.set(token, payload as unknown as Claims);
    return payload as unknown as Claims;
  };
  const checkBound = async ({ "kubernetes.io": private_ }: Claims): Promise<void> => {
    const { namespace, serviceaccount, pod, secret, node } = private_;
    const isThere = async (
      resource: Parameters<Lookup>[0],
      reference: Reference | undefined,
      where: string,
    ): Promise<void> => {
      if (!reference) return;
      const object = await lookup(resource, where, reference.name);
      if (!object || object.metadata.uid !== reference.uid) throw unauthorized();
    };
    await isThere("serviceaccounts", serviceaccount, namespace);
    await isThere("pods", pod, namespace);
    await isThere("secrets", secret, namespace);
    // A node named beside a pod only tells where it runs.
    if (!pod) await isThere("nodes", node, "");
  };

  return {
    issuer,
    audiences,
    async issue({ account, audiences: wanted, expirationSeconds, bound, node }) {
      const jose = await import("jose");
      const { name = "", namespace = "", uid = "" } = account.metadata;
      const seconds = Math.floor(clock.now() / 1000);
      const boundTo = bound ? { [bound.kind.toLowerCase()]: { name: bound.name, uid: bound.uid } } : {};
      const own = { namespace, serviceaccount: { name, uid }, ...(node ? { node } : {}), ...boundTo };
      const token = await new jose.SignJWT({ "kubernetes.io": own, aud: [...(wanted.length > 0 ? wanted : audiences)] })
        .setProtectedHeader({ alg: ALGORITHM, kid: keyPair().id })
        .setIssuer(issuer)
        .setSubject(`system:serviceaccount:${namespace}:${name}`)
        .setIssuedAt(seconds)
        .setNotBefore(seconds)
        .setExpirationTime(seconds + expirationSeconds)
        .setJti(uuid(random))
        .sign(keyPair().privateKey);
      return { token, expiresMs: (seconds + expirationSeconds) * 1000 };
    },
    async verify(token, wanted = audiences) {
      const claims = await claimsOf(token);
      const common = wanted.filter((audience) => claims.aud.includes(audience));
      if (common.length === 0 || claims.exp * 1000 <= clock.now()) throw unauthorized();
      await checkBound(claims);
      return { user: userOf(claims), audiences: common };
    },
    async keySet() {
      const jose = await import("jose");
      const { publicKey, id } = keyPair();
      return { keys: [{ use: "sig", alg: ALGORITHM, kid: id, ...(await jose.exportJWK(publicKey)) }] };
    },
  };
}

function userOf({ sub, jti, "kubernetes.io": own }: Claims): User {
  const { namespace, serviceaccount, pod, node } = own;
  const prefix = "authentication.kubernetes.io";
  return {
    name: sub,
    uid: serviceaccount.uid,
    groups: ["system:serviceaccounts", `system:serviceaccounts:${namespace}`, "system:authenticated"],
    extra: {
      [`${prefix}/credential-id`]: [`JTI=${jti}`],
      ...(node ? { [`${prefix}/node-name`]: [node.name], [`${prefix}/node-uid`]: [node.uid] } : {}),
      ...(pod ? { [`${prefix}/pod-name`]: [pod.name], [`${prefix}/pod-uid`]: [pod.uid] } : {}),
    },
  };
}
