import { createHash } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { TLSSocket } from "node:tls";
import type { Clock } from "#base/clock.ts";
import { RESOURCES } from "#formats/kube-resources.ts";
import type { KubeClient } from "#kube-client/client.ts";
import { nodeAccess } from "./attributes.ts";
import { expiringCache } from "./expiring-cache.ts";

/** Who asks. */
export interface Caller {
  readonly user: string;
  readonly groups: readonly string[];
}

/** Tells who sent a request and whether they may: by the cluster's client certificates, else by asking the API server. */
export interface Access {
  /** Undefined: nobody that is known. */
  authenticate(request: IncomingMessage): Promise<Caller | undefined>;
  /** Undefined: allowed. Else what was not. */
  authorize(caller: Caller, method: string, path: string): Promise<string | undefined>;
}

/** As the kubelet's webhooks: how long answers of the API server hold. */
const TOKEN_MS = 120_000;
const ALLOWED_MS = 300_000;
const DENIED_MS = 30_000;

export function nodeAccessControl(options: {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly nodeName: string;
}): Access {
  const { client, clock, nodeName } = options;
  const tokens = expiringCache<Caller | undefined>(clock);
  const verdicts = expiringCache<boolean>(clock);
  const byToken = async (token: string): Promise<Caller | undefined> => {
    const key = createHash("sha256").update(token).digest("hex");
    const known = tokens.get(key);
    if (known) return known;
    const { status } = await client.create(RESOURCES.tokenreviews, {
      apiVersion: "authentication.k8s.io/v1",
      kind: "TokenReview",
      metadata: {},
      spec: { token },
    });
    if (!status?.authenticated) return undefined;
    const caller = { user: status.user?.username ?? "", groups: status.user?.groups ?? [] };
    tokens.put(key, caller, TOKEN_MS);
    return caller;
  };
  const allowed = async ({ user, groups }: Caller, verb: string, subresource: string): Promise<boolean> => {
    const key = JSON.stringify([user, groups, verb, subresource]);
    const known = verdicts.get(key);
    if (known !== undefined) return known;
    const resourceAttributes = { verb, group: "", version: "v1", resource: "nodes", subresource, name: nodeName };
    const { status } = await client.create(RESOURCES.subjectaccessreviews, {
      apiVersion: "authorization.k8s.io/v1",
      kind: "SubjectAccessReview",
      metadata: {},
      spec: { user, groups: [...groups], resourceAttributes },
    });
    const verdict = status?.allowed === true;
    verdicts.put(key, verdict, verdict ? ALLOWED_MS : DENIED_MS);
    return verdict;
  };
  return {
    authenticate: async (request) => {
      const certified = byCertificate(request.socket as TLSSocket);
      if (certified) return certified;
      const token = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? "")?.[1];
      return token === undefined ? undefined : byToken(token);
    },
    async authorize(caller, method, path) {
      const { verb, subresources } = nodeAccess(method, path);
      for (const subresource of subresources) if (await allowed(caller, verb, subresource)) return undefined;
      return `Forbidden (user=${caller.user}, verb=${verb}, resource=nodes, subresource(s)=[${subresources.join(" ")}])`;
    },
  };
}

/** The subject of a certificate that the cluster's authority signed: common name and organizations. */
function byCertificate(socket: TLSSocket): Caller | undefined {
  if (!socket.authorized) return undefined;
  const { subject } = socket.getPeerCertificate();
  const [user] = [subject.CN].flat();
  return user === undefined ? undefined : { user, groups: [subject.O ?? []].flat() };
}
