import { GantryError } from "#base/errors.ts";
import type { RegistryAuth } from "../image-store.ts";
import { parseChallenges, type Challenge } from "./challenge.ts";
import { readBody, type HttpClient, type HttpRequest, type HttpResponse } from "./http.ts";
import { failureText, readFailure } from "./registry-error.ts";

const MAX_TOKEN_ANSWER = 1024 * 1024;

/** Credentials for one registry, by what it asks for. */
export interface Authorizer {
  /** The Authorization header for these scopes, as far as it is known. */
  header(scope: string): string | undefined;
  /** Takes a refusal with 401; true when there is something new to try. */
  answer(response: HttpResponse, scope: string, signal: AbortSignal | undefined): Promise<boolean>;
}

/**
 * Tokens (Docker registry token authentication; OAuth2 with an identity token) and basic authentication. Challenges are only taken
 * from the registry's own origin.
 */
export function authorizer(registry: URL, auth: RegistryAuth | undefined, http: HttpClient): Authorizer {
  const tokens = new Map<string, string>();
  const basic = basicHeader(auth);
  let usesBasic = false;
  return {
    header(scope) {
      if (auth?.registryToken) return `Bearer ${auth.registryToken}`;
      return usesBasic ? basic : tokens.get(scope);
    },
    async answer(response, scope, signal) {
      if (response.url.origin !== registry.origin || auth?.registryToken) return false;
      const challenges = parseChallenges(response.headers["www-authenticate"] ?? "");
      const bearer = challenges.find(({ scheme }) => scheme === "bearer");
      if (bearer) {
        if (tokens.has(scope)) return false;
        tokens.set(scope, `Bearer ${await fetchToken(http, registry, bearer, scope, auth, signal)}`);
        return true;
      }
      if (!challenges.some(({ scheme }) => scheme === "basic") || usesBasic) return false;
      if (basic === undefined) throw new GantryError("unauthorized", "no basic auth credentials");
      usesBasic = true;
      return true;
    },
  };
}

function basicHeader(auth: RegistryAuth | undefined): string | undefined {
  if (!auth?.username) return undefined;
  return `Basic ${Buffer.from(`${auth.username}:${auth.password ?? ""}`).toString("base64")}`;
}

async function fetchToken(
  http: HttpClient,
  registry: URL,
  { parameters }: Challenge,
  scope: string,
  auth: RegistryAuth | undefined,
  signal: AbortSignal | undefined,
): Promise<string> {
  const realm = realmOf(registry, parameters.get("realm") ?? "");
  const service = parameters.get("service") ?? "";
  const response = auth?.identityToken
    ? await http.send(refreshRequest(realm, service, scope, auth.identityToken, signal))
    : await http.send(tokenRequest(realm, service, scope, auth, signal));
  const body = await readBody(response, MAX_TOKEN_ANSWER);
  if (response.status !== 200) {
    throw new GantryError("unauthorized", failureText(readFailure(response.status, response.statusText, body)));
  }
  const token = readToken(body);
  if (token === undefined)
    throw new GantryError("unauthorized", "authorization server did not include a token in the response");
  return token;
}

function realmOf(registry: URL, text: string): URL {
  const realm = URL.canParse(text) ? new URL(text) : undefined;
  if (!realm || !["https:", "http:"].includes(realm.protocol))
    throw new GantryError("unauthorized", `invalid token auth challenge realm: ${text}`);
  // Who speaks to a registry in secret sends no password in the open.
  if (registry.protocol === "https:" && realm.protocol !== "https:") {
    throw new GantryError(
      "forbidden",
      `registry ${registry.host} asks for credentials over plain HTTP at ${realm.host}: refused`,
    );
  }
  return realm;
}

function tokenRequest(
  realm: URL,
  service: string,
  scope: string,
  auth: RegistryAuth | undefined,
  signal: AbortSignal | undefined,
): HttpRequest {
  const url = new URL(realm);
  if (service) url.searchParams.set("service", service);
  for (const one of scope.split(" ").filter((text) => text !== "")) url.searchParams.append("scope", one);
  const basic = basicHeader(auth);
  if (auth?.username) {
    url.searchParams.set("account", auth.username);
    url.searchParams.set("client_id", "docker");
  }
  return { method: "GET", url, signal, ...(basic === undefined ? {} : { headers: { authorization: basic } }) };
}

function refreshRequest(
  realm: URL,
  service: string,
  scope: string,
  token: string,
  signal: AbortSignal | undefined,
): HttpRequest {
  const form = new URLSearchParams({
    grant_type: "refresh_token",
    service,
    scope,
    client_id: "docker",
    refresh_token: token,
  });
  const headers = { "content-type": "application/x-www-form-urlencoded" };
  return { method: "POST", url: realm, headers, body: Buffer.from(form.toString()), signal };
}

function readToken(body: Buffer): string | undefined {
  try {
    const answer = JSON.parse(body.toString("utf8")) as { token?: unknown; access_token?: unknown } | null;
    const token = answer?.token ?? answer?.access_token;
    return typeof token === "string" && token !== "" && !/[\r\n]/.test(token) ? token : undefined;
  } catch {
    // No JSON, no token.
    return undefined;
  }
}
