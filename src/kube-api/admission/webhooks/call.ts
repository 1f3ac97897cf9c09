import { request as httpsRequest } from "node:https";
import { isIP } from "node:net";
import { errorText, GantryError } from "#base/errors.ts";
import type { EndpointSlice, Service } from "#formats/kube-types.generated.ts";
import type { Lister, Reader } from "../reader.ts";
import type { WebhookClientConfig } from "./configuration.ts";

const MAX_ANSWER_BYTES = 3 * 2 ** 20;
const SERVICE_NAME = "kubernetes.io/service-name";

interface Destination {
  readonly host: string;
  readonly port: number;
  readonly path: string;
  /** The name in the server's certificate. */
  readonly servername: string;
  readonly shown: string;
}

/**
 * POSTs a review and gives the answer's JSON. Redirects are not followed: they would take the review elsewhere.
 * Throws `unavailable` with a text that says what went wrong.
 */
export async function callWebhook(
  config: WebhookClientConfig,
  review: object,
  timeoutMs: number,
  read: Reader,
  list: Lister,
): Promise<unknown> {
  const destination = config.service
    ? await serviceDestination(config.service, read, list)
    : urlDestination(config.url ?? "");
  const text = await post(destination, JSON.stringify(review), config.caBundle, timeoutMs);
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw unavailable(destination, `cannot read the answer: ${errorText(error)}`);
  }
}

function unavailable({ shown }: { readonly shown: string }, why: string): GantryError {
  return new GantryError("unavailable", `Post ${JSON.stringify(shown)}: ${why}`);
}

function urlDestination(url: string): Destination {
  const parsed = new URL(url);
  if (parsed.protocol !== "https:") throw unavailable({ shown: url }, "only https URLs are called");
  return {
    host: parsed.hostname,
    port: Number(parsed.port || 443),
    path: `${parsed.pathname}${parsed.search}`,
    servername: parsed.hostname,
    shown: url,
  };
}

/** A ready endpoint of the service, asked by the service's name. */
async function serviceDestination(
  { namespace, name, path = "/", port = 443 }: NonNullable<WebhookClientConfig["service"]>,
  read: Reader,
  list: Lister,
): Promise<Destination> {
  const servername = `${name}.${namespace}.svc`;
  const shown = `https://${servername}:${port}${path}`;
  const service = (await read("services", namespace, name)) as Service | undefined;
  if (!service) throw unavailable({ shown }, `service ${JSON.stringify(name)} not found`);
  const wanted = service.spec?.ports?.find((one) => one.port === port);
  if (!wanted) throw unavailable({ shown }, `no service port ${port} found for service ${JSON.stringify(name)}`);
  const slices = (await list("endpointslices.discovery.k8s.io", namespace)) as readonly (EndpointSlice & {
    metadata: { labels?: Record<string, string> };
  })[];
  for (const slice of slices) {
    if (slice.metadata.labels?.[SERVICE_NAME] !== name) continue;
    const target = slice.ports?.find((one) => (one.name ?? "") === (wanted.name ?? ""))?.port;
    const ready = slice.endpoints?.find(({ conditions }) => conditions?.ready !== false);
    const address = ready?.addresses?.[0];
    if (target !== undefined && address) return { host: address, port: target, path, servername, shown };
  }
  throw unavailable({ shown }, `no endpoints available for service ${JSON.stringify(name)}`);
}

function post(
  destination: Destination,
  body: string,
  caBundle: string | undefined,
  timeoutMs: number,
): Promise<string> {
  const { host, port, path, servername, shown } = destination;
  const ca = caBundle ? { ca: Buffer.from(caBundle, "base64").toString() } : {};
  const headers = {
    "content-type": "application/json",
    accept: "application/json",
    host: servername,
    "content-length": Buffer.byteLength(body),
  };
  // An address is checked against the certificate as it is: it cannot be asked for by name.
  const named = isIP(servername) === 0 ? { servername } : {};
  return new Promise((resolve, reject) => {
    const request = httpsRequest(
      {
        method: "POST",
        host,
        port,
        path: `${path}${path.includes("?") ? "&" : "?"}timeout=${timeoutMs / 1000}s`,
        ...named,
        headers,
        agent: false,
        ...ca,
      },
      (response) => {
        const chunks: Buffer[] = [];
        let bytes = 0;
        response.on("data", (chunk: Buffer) => {
          bytes += chunk.length;
          if (bytes > MAX_ANSWER_BYTES) request.destroy(new Error("the answer is too large"));
          else chunks.push(chunk);
        });
        response.on("end", () => {
          const text = Buffer.concat(chunks).toString();
          if (response.statusCode === 200) resolve(text);
          else
            reject(unavailable(destination, `the server answered ${response.statusCode ?? 0}: ${text.slice(0, 200)}`));
        });
        response.on("error", (error) => reject(unavailable({ shown }, errorText(error))));
      },
    );
    const timer = setTimeout(() => request.destroy(new Error("context deadline exceeded")), timeoutMs);
    request.on("close", () => clearTimeout(timer));
    request.on("error", (error) => reject(unavailable({ shown }, errorText(error))));
    request.end(body);
  });
}
