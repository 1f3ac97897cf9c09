// Exec, attach and port-forward of the API server.
import type { IncomingMessage } from "node:http";
import type { Logger } from "#base/logger.ts";
import { requestUrl } from "#base/request-url.ts";
import { impersonated, type Authenticator } from "../auth/authentication.ts";
import { requireAccess, type Authorizer } from "../auth/authorizer.ts";
import type { Api } from "../api.ts";
import { parsePath } from "../http/path.ts";
import { isTrue } from "../http/query.ts";
import type { AttachRequest, NodeStreams } from "../node-streams.ts";
import type { Proxy, ProxyPath } from "../proxy/proxy.ts";
import type { ObjectRef } from "../service.ts";
import { badRequest, failure, unknownPath } from "../status.ts";
import { streamedContainer, streamedPod } from "./pod.ts";
import { commandSession, portForwardSession, serveUpgrades, type Session, type Upgrade } from "./serve-upgrades.ts";

export interface UpgradeOptions {
  readonly api: Api;
  readonly authenticator: Authenticator;
  readonly authorizer: Authorizer;
  /** undefined while there are no nodes in this process. */
  readonly nodes: () => NodeStreams | undefined;
  readonly proxy: Proxy;
  readonly logger: Logger;
}

export function upgradeHandler(options: UpgradeOptions): Upgrade {
  return serveUpgrades(async (request) => {
    const { ref, path } = await authorizedUpgrade(options, request);
    if (ref.subresource !== "proxy") return openSession(options, ref, request);
    return { takeOver: (socket, head) => options.proxy.upgrade(ref, path, request, socket, head) };
  }, options.logger);
}

/** What the upgrade is for. Throws when the user may not have it, or there is no such thing. */
async function authorizedUpgrade(
  { api, authenticator, authorizer }: UpgradeOptions,
  request: IncomingMessage,
): Promise<{ readonly ref: ObjectRef; readonly path: ProxyPath }> {
  const path = parsePath(requestUrl(request.url).pathname);
  const user = impersonated(request, await authenticator.authenticate(request), authorizer);
  if (path.kind !== "resource") throw unknownPath();
  const { group, version, resource, namespace, name, subresource } = path;
  const access = { group, version, resource, subresource, namespace, name };
  requireAccess(authorizer, user, { ...access, verb: request.method === "POST" ? "create" : "get" });
  // A WebSocket can only be opened with GET; it takes the right to create all the same (KEP-2862's follow-up, 1.35). What is
  // behind pods' and services' proxies are applications; behind nodes' it is the kubelet, with exec and all.
  const isApplication = subresource === "proxy" && resource !== "nodes";
  if (request.method !== "POST" && !isApplication) requireAccess(authorizer, user, { ...access, verb: "create" });
  const definition = api.resources.find(group, version, resource);
  const placed = definition !== undefined && definition.namespaced === (namespace !== "") && name !== "";
  if (!placed || !definition.subresources.has(subresource)) throw unknownPath();
  return { ref: { definition, namespace, name, subresource }, path };
}

async function openSession({ api, nodes }: UpgradeOptions, ref: ObjectRef, request: IncomingMessage): Promise<Session> {
  if (ref.definition.group !== "" || ref.definition.resource !== "pods") throw unknownPath();
  const streams = nodes();
  if (!streams)
    throw failure({
      code: "unavailable",
      http: 503,
      reason: "ServiceUnavailable",
      message: "no node serves streams here",
    });
  return sessionFor(api, streams, ref, requestUrl(request.url).searchParams);
}

async function sessionFor(api: Api, nodes: NodeStreams, ref: ObjectRef, query: URLSearchParams): Promise<Session> {
  const pod = await streamedPod(api, ref);
  if (ref.subresource === "portforward") return portForwardSession((port) => nodes.portForward(pod, port));
  if (ref.subresource !== "exec" && ref.subresource !== "attach") throw unknownPath();
  const container = streamedContainer(pod, query.get("container"));
  const request = attachRequest(query);
  if (ref.subresource === "attach") return commandSession(request, () => nodes.attach(pod, container, request));
  const command = query.getAll("command");
  if (command.length === 0) throw badRequest("you must specify at least one command for the container");
  return commandSession(request, () => nodes.exec(pod, container, { ...request, command }));
}

function attachRequest(query: URLSearchParams): AttachRequest {
  const flag = (name: string): boolean => query.has(name) && isTrue(query.get(name));
  const request = { tty: flag("tty"), stdin: flag("stdin"), stdout: flag("stdout"), stderr: flag("stderr") };
  if (!request.stdin && !request.stdout && !request.stderr)
    throw badRequest("you must specify at least 1 of stdin, stdout, stderr");
  // A terminal has one output.
  return request.tty ? { ...request, stderr: false } : request;
}
