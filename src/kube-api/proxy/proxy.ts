// The proxy subresources of nodes, pods and services.
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import type { Api } from "../api.ts";
import type { ClusterCertificates } from "../certificates.ts";
import type { RequestPath } from "../http/path.ts";
import { writeHead, type Request, type Response } from "../http/exchange.ts";
import type { ObjectRef } from "../service.ts";
import { forward, forwardUpgrade, type Proxied } from "./forward.ts";
import { proxyTarget, type ProxyTarget } from "./target.ts";

/** Hands authorized requests on. */
export interface Proxy {
  serve(ref: ObjectRef, path: ProxyPath, request: Request, response: Response): Promise<void>;
  upgrade(ref: ObjectRef, path: ProxyPath, request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void>;
}

export type ProxyPath = RequestPath & { readonly kind: "resource" };

export function resourceProxy(api: Api, certificates: () => ClusterCertificates): Proxy {
  let known: NonNullable<ProxyTarget["kubelet"]> | undefined;
  const kubelet = (): NonNullable<ProxyTarget["kubelet"]> => {
    if (known) return known;
    const { caCert, client } = certificates();
    return (known = { caCert, client: client("kube-apiserver-kubelet-client", ["system:masters"]) });
  };
  const proxied = async (ref: ObjectRef, { rest }: ProxyPath, url: string): Promise<Proxied> => {
    const mark = url.indexOf("?");
    const whole = mark < 0 ? url : url.slice(0, mark);
    const query = mark < 0 ? "" : url.slice(mark);
    const prefix = rest === "" ? whole : whole.slice(0, whole.length - rest.length);
    return { target: await proxyTarget(api, kubelet, ref), path: (rest || "/") + query, prefix };
  };
  return {
    async serve(ref, path, request, response) {
      const url = request.url ?? "";
      const plain = request.method === "GET" || request.method === "HEAD";
      if (path.rest === "" && plain) return redirect(response, url);
      await forward(request, response, await proxied(ref, path, url));
    },
    async upgrade(ref, path, request, socket, head) {
      await forwardUpgrade(request, socket, head, await proxied(ref, path, request.url ?? ""));
    },
  };
}

/** Pages' relative links are of the directory that a slash makes of it. */
function redirect(response: Response, url: string): void {
  const mark = url.indexOf("?");
  const location = mark < 0 ? `${url}/` : `${url.slice(0, mark)}/${url.slice(mark)}`;
  writeHead(response, 301, { location, "content-length": "0" });
  response.end();
}
