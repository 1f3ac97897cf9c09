import type { TLSSocket } from "node:tls";
import { timingSafeEqual, createHash } from "node:crypto";
import type { User } from "../context.ts";
import { badRequest, unauthorized } from "../status.ts";
import { header, type Request } from "../http/exchange.ts";
import { requireAccess, type Authorizer } from "./authorizer.ts";
import type { BootstrapTokens } from "./bootstrap-tokens.ts";
import type { Tokens } from "./tokens.ts";

/** Who a request comes from. Throws `unauthorized` for credentials that are wrong; none at all is anonymous. */
export interface Authenticator {
  authenticate(request: Request): Promise<User>;
}

export interface AuthenticatorOptions {
  readonly tokens: Tokens;
  /** Bearer tokens that stand for a user. */
  readonly staticTokens: ReadonlyMap<string, User>;
  readonly bootstrapTokens: BootstrapTokens;
}

export const ANONYMOUS: User = { name: "system:anonymous", groups: ["system:unauthenticated"] };

export function authenticator({ tokens, staticTokens, bootstrapTokens }: AuthenticatorOptions): Authenticator {
  const byCertificate = new WeakMap<object, User>();
  const known = Array.from(staticTokens, ([token, user]) => ({ digest: digest(token), user }));
  const bearer = async (token: string): Promise<User> => {
    const wanted = digest(token);
    const match = known.find((one) => timingSafeEqual(one.digest, wanted));
    return match?.user ?? (await bootstrapTokens(token)) ?? (await tokens.verify(token)).user;
  };
  return {
    async authenticate(request) {
      const socket = socketOf(request);
      const remembered = byCertificate.get(socket);
      if (remembered) return remembered;
      const user = certificateUser(socket);
      if (user) {
        byCertificate.set(socket, user);
        return user;
      }
      const token = bearerToken(request);
      return token === undefined ? ANONYMOUS : bearer(token);
    },
  };
}

function digest(token: string): Buffer {
  return createHash("sha256").update(token).digest();
}

function socketOf(request: Request): TLSSocket {
  // A stream of HTTP/2 has its session's socket.
  if ("stream" in request && request.stream) return request.stream.session?.socket as TLSSocket;
  return request.socket as TLSSocket;
}

/** The holder of a verified client certificate: its common name, and its organizations as groups. */
function certificateUser(socket: TLSSocket): User | undefined {
  const certificate = typeof socket.getPeerCertificate === "function" ? socket.getPeerCertificate() : undefined;
  const subject = certificate?.subject as { CN?: string | string[]; O?: string | string[] } | undefined;
  if (!subject?.CN) return undefined;
  if (!socket.authorized) throw unauthorized();
  const name = Array.isArray(subject.CN) ? subject.CN.join("") : subject.CN;
  const groups = subject.O === undefined ? [] : Array.isArray(subject.O) ? subject.O : [subject.O];
  return { name, groups: [...groups, "system:authenticated"] };
}

function bearerToken(request: Request): string | undefined {
  const value = header(request, "authorization");
  const match = value === undefined ? null : /^bearer +(\S+) *$/i.exec(value);
  if (match?.[1]) return match[1];
  // Browsers cannot set headers on WebSockets: the token comes as a subprotocol (k8s.io/apiserver authentication/request/websocket).
  const protocols = (header(request, "sec-websocket-protocol") ?? "").split(",").map((text) => text.trim());
  const encoded = protocols.find((text) => text.startsWith(WEBSOCKET_TOKEN));
  return encoded ? Buffer.from(encoded.slice(WEBSOCKET_TOKEN.length), "base64url").toString() : undefined;
}

const WEBSOCKET_TOKEN = "base64url.bearer.authorization.k8s.io.";

/** Whom the user acts as (Impersonate-* headers), if allowed; the user itself otherwise. */
export function impersonated(request: Request, user: User, authorizer: Authorizer): User {
  const name = header(request, "impersonate-user");
  const groups = listHeader(request, "impersonate-group");
  const uid = header(request, "impersonate-uid");
  const extra = extraHeaders(request);
  if (name === undefined) {
    if (groups.length + Object.keys(extra).length > 0 || uid !== undefined) {
      throw badRequest(`requested [] without impersonating a user`);
    }
    return user;
  }
  const account = /^system:serviceaccount:([^:]+):([^:]+)$/.exec(name);
  const check = (group: string, resource: string, subresource: string, namespace: string, value: string): void =>
    requireAccess(authorizer, user, { verb: "impersonate", group, resource, subresource, namespace, name: value });
  if (account) check("", "serviceaccounts", "", account[1] ?? "", account[2] ?? "");
  else check("", "users", "", "", name);
  for (const group of groups) check("", "groups", "", "", group);
  if (uid !== undefined) check("authentication.k8s.io", "uids", "", "", uid);
  for (const [key, values] of Object.entries(extra)) {
    for (const value of values) check("authentication.k8s.io", "userextras", key, "", value);
  }
  return { name, groups: impersonatedGroups(name, groups, account?.[1]), ...(uid === undefined ? {} : { uid }), extra };
}

function impersonatedGroups(name: string, groups: readonly string[], accountNamespace: string | undefined): string[] {
  const given =
    groups.length > 0 || accountNamespace === undefined
      ? groups
      : ["system:serviceaccounts", `system:serviceaccounts:${accountNamespace}`];
  const marker = name === ANONYMOUS.name ? "system:unauthenticated" : "system:authenticated";
  return Array.from(new Set([...given, marker]));
}

/** Each occurrence of a header: Node joins them, but group names hold no commas that matter here. */
function listHeader(request: Request, name: string): string[] {
  const value = header(request, name);
  return value === undefined
    ? []
    : value
        .split(",")
        .map((part) => part.trim())
        .filter((part) => part !== "");
}

function extraHeaders(request: Request): Record<string, string[]> {
  const prefix = "impersonate-extra-";
  const extra: Record<string, string[]> = Object.create(null) as Record<string, string[]>;
  for (const name of Object.keys(request.headers)) {
    if (name.startsWith(prefix)) extra[decodeURIComponent(name.slice(prefix.length))] = listHeader(request, name);
  }
  return extra;
}
