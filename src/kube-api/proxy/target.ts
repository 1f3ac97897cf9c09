// Where a proxy subresource leads (k8s.io/kubernetes pkg/registry/core pod/strategy.go, service/storage, node/strategy.go: ResourceLocation).
import type { EndpointSlice, Node, Pod, Service } from "#formats/kube-types.generated.ts";
import type { GantryError } from "#base/errors.ts";
import type { Api } from "../api.ts";
import type { KeyPair } from "../certificates.ts";
import { badRequest, failure } from "../status.ts";
import type { ObjectRef } from "../service.ts";
import { get } from "../verbs/get.ts";
import { list } from "../verbs/list.ts";
import { isProxyable } from "./addresses.ts";

/** A server to dial. */
export interface ProxyTarget {
  readonly scheme: "http" | "https";
  readonly host: string;
  readonly port: number;
  /** How the API server shows itself to kubelets, and whom it trusts there. Others are not asked who they are. */
  readonly kubelet?: { readonly caCert: string; readonly client: KeyPair };
}

interface Wanted {
  readonly scheme: string;
  readonly name: string;
  readonly port: string;
}

const KUBELET_PORT = 10250;

/** `name`, `name:port` or `scheme:name:port`, where the port is a number or a name; undefined for anything else. */
export function splitTarget(text: string): Wanted | undefined {
  const parts = text.split(":");
  const [first = "", second = "", third = ""] = parts;
  const wanted =
    parts.length === 1
      ? { scheme: "", name: first, port: "" }
      : parts.length === 2
        ? { scheme: "", name: first, port: second }
        : { scheme: first, name: second, port: third };
  const known = parts.length < 3 || first === "" || first === "http" || first === "https";
  return parts.length <= 3 && known && wanted.name !== "" ? wanted : undefined;
}

/** The server behind nodes/NAME/proxy, pods/NAME/proxy or services/NAME/proxy. Throws 400 or 503 when there is none. */
export async function proxyTarget(
  api: Api,
  kubelet: () => NonNullable<ProxyTarget["kubelet"]>,
  ref: ObjectRef,
): Promise<ProxyTarget> {
  const { resource } = ref.definition;
  const wanted = splitTarget(ref.name);
  if (!wanted) throw badRequest(`invalid ${resource.slice(0, -1)} request ${JSON.stringify(ref.name)}`);
  const read = async <T>(): Promise<T> =>
    (await get(api, ref.definition, ref.namespace, wanted.name)).object as unknown as T;
  switch (resource) {
    case "pods":
      return podTarget(await read<Pod>(), wanted);
    case "services":
      return serviceTarget(api, await read<Service>(), ref.namespace, wanted);
    default:
      return nodeTarget(await read<Node>(), wanted, kubelet);
  }
}

function schemeOf({ scheme }: Wanted): "http" | "https" {
  return scheme === "https" ? "https" : "http";
}

/** Without a port, the first that a container declares. */
function podTarget(pod: Pod, wanted: Wanted): ProxyTarget {
  const declared = pod.spec?.containers.flatMap(({ ports }) => ports ?? []) ?? [];
  const named = declared.find(({ name }) => name !== undefined && name === wanted.port)?.containerPort;
  const port = wanted.port === "" ? (declared[0]?.containerPort ?? 80) : (named ?? portNumber(wanted.port));
  return { scheme: schemeOf(wanted), host: checked(pod.status?.podIP ?? ""), port };
}

async function serviceTarget(api: Api, service: Service, namespace: string, wanted: Wanted): Promise<ProxyTarget> {
  const { name } = wanted;
  const ports = service.spec?.ports ?? [];
  const byNumber = ports.find(({ port }) => String(port) === wanted.port);
  if (/^[0-9]+$/.test(wanted.port) && !byNumber)
    throw unavailable(`no service port ${wanted.port} found for service ${JSON.stringify(name)}`);
  const portName = byNumber ? (byNumber.name ?? "") : wanted.port === "" ? (ports[0]?.name ?? "") : wanted.port;
  const slices = api.resources.expect("discovery.k8s.io", "v1", "endpointslices");
  const labelSelector = `kubernetes.io/service-name=${name}`;
  const { documents } = await list(api, slices, namespace, { labelSelector });
  const places = documents.flatMap(({ object }) => placesOf(object as unknown as EndpointSlice, portName));
  if (places.length === 0) throw unavailable(`no endpoints available for service ${JSON.stringify(name)}`);
  const pods = api.resources.expect("", "v1", "pods");
  const start = Math.floor(api.random.next() * places.length);
  for (let index = 0; index < places.length; index++) {
    const place = places[(start + index) % places.length];
    if (place && (await isOfPod(api, pods, namespace, place)))
      return { scheme: schemeOf(wanted), host: checked(place.address), port: place.port };
  }
  throw unavailable(`no endpoints available for service ${JSON.stringify(name)}`);
}

interface Place {
  readonly address: string;
  readonly port: number;
  readonly pod: string;
}

function placesOf({ endpoints, ports }: EndpointSlice, portName: string): Place[] {
  const port = (ports ?? []).find(({ name }) => (name ?? "") === portName)?.port;
  if (port === undefined) return [];
  const ready = (endpoints ?? []).filter(({ conditions }) => conditions?.ready !== false);
  return ready.flatMap(({ addresses, targetRef }) =>
    addresses.map((address) => ({ address, port, pod: targetRef?.kind === "Pod" ? (targetRef.name ?? "") : "" })),
  );
}

/** Endpoints can be written by hand: only addresses that a pod of the namespace has are dialled. */
async function isOfPod(
  api: Api,
  pods: ObjectRef["definition"],
  namespace: string,
  { pod, address }: Place,
): Promise<boolean> {
  if (pod === "") return false;
  const found = await list(api, pods, namespace, { fieldSelector: `metadata.name=${pod}` });
  const { status } = (found.documents[0]?.object ?? {}) as Pod;
  return status?.podIP === address || (status?.podIPs?.some(({ ip }) => ip === address) ?? false);
}

/** Without a port, or with its own: the kubelet, as the API server. */
function nodeTarget(node: Node, wanted: Wanted, kubelet: () => NonNullable<ProxyTarget["kubelet"]>): ProxyTarget {
  const addresses = node.status?.addresses ?? [];
  const host = addresses.find(({ type }) => type === "InternalIP")?.address ?? "";
  const own = node.status?.daemonEndpoints?.kubeletEndpoint?.Port ?? KUBELET_PORT;
  const port = wanted.port === "" ? own : portNumber(wanted.port);
  if (port === own) return { scheme: "https", host: checked(host), port, kubelet: kubelet() };
  return { scheme: schemeOf(wanted), host: checked(host), port };
}

function portNumber(text: string): number {
  const port = /^[0-9]{1,5}$/.test(text) ? Number(text) : 0;
  if (port < 1 || port > 65_535) throw badRequest(`invalid port ${JSON.stringify(text)}`);
  return port;
}

function checked(address: string): string {
  if (!isProxyable(address)) throw badRequest("address not allowed");
  return address;
}

function unavailable(message: string): GantryError {
  return failure({ code: "unavailable", http: 503, reason: "ServiceUnavailable", message });
}
