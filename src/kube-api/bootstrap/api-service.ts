// The API server as a service of its own cluster: default/kubernetes.
import type { KubeObject } from "#formats/kube-object.ts";
import { RESOURCES } from "#formats/kube-resources.ts";
import { ipv4Text, usableRange } from "../strategies/services/addresses.ts";
import type { BootstrapObject } from "./objects.ts";

/** Where pods reach the API server behind its service. */
export interface Advertised {
  readonly address: string;
  readonly port: number;
}

const LABELS = { component: "apiserver", provider: "kubernetes" };

/** The address of the `kubernetes` service: the first of the (first) range. */
export function apiServiceAddress(serviceCidr: string): string {
  return ipv4Text(usableRange(serviceCidr.split(",")[0] ?? "").first);
}

/** `objects` are made once; `endpoints` follow the server's address. */
export function apiServerObjects(
  serviceCidr: string,
  advertised?: Advertised,
): { objects: BootstrapObject[]; endpoints: BootstrapObject[] } {
  const clusterIP = apiServiceAddress(serviceCidr);
  const service: KubeObject = {
    metadata: { name: "kubernetes", namespace: "default", labels: LABELS },
    spec: {
      clusterIP,
      ports: [{ name: "https", port: 443, protocol: "TCP", targetPort: advertised?.port ?? 6443 }],
      sessionAffinity: "None",
      type: "ClusterIP",
    },
  } as KubeObject;
  const cidr: KubeObject = { metadata: { name: "kubernetes" }, spec: { cidrs: serviceCidr.split(",") } } as KubeObject;
  return {
    objects: [
      { ...RESOURCES.services, namespace: "default", object: service },
      { group: "networking.k8s.io", version: "v1", resource: "servicecidrs", namespace: "", object: cidr },
    ],
    endpoints: advertised ? endpointObjects(advertised) : [],
  };
}

function endpointObjects({ address, port }: Advertised): BootstrapObject[] {
  const endpoints = {
    metadata: {
      name: "kubernetes",
      namespace: "default",
      labels: { "endpointslice.kubernetes.io/skip-mirror": "true" },
    },
    subsets: [{ addresses: [{ ip: address }], ports: [{ name: "https", port, protocol: "TCP" }] }],
  } as KubeObject;
  const slice = {
    metadata: { name: "kubernetes", namespace: "default", labels: { "kubernetes.io/service-name": "kubernetes" } },
    addressType: "IPv4",
    endpoints: [{ addresses: [address], conditions: { ready: true } }],
    ports: [{ name: "https", port, protocol: "TCP" }],
  } as KubeObject;
  return [
    { ...RESOURCES.endpoints, namespace: "default", object: endpoints },
    { ...RESOURCES.endpointslices, namespace: "default", object: slice },
  ];
}
