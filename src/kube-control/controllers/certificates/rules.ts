// What the signers of kubernetes.io sign (k8s.io/kubernetes pkg/apis/certificates/v1 helpers, pkg/controller/certificates).
import type { CertificateSigningRequest } from "#formats/kube-types.generated.ts";
import type { RequestedCertificate } from "./signer-port.ts";

export const SIGNER = {
  apiClient: "kubernetes.io/kube-apiserver-client",
  kubeletClient: "kubernetes.io/kube-apiserver-client-kubelet",
  kubeletServing: "kubernetes.io/kubelet-serving",
} as const;

const NODE_GROUP = "system:nodes";
const NODE_PREFIX = "system:node:";

/** Why a signer does not sign this; undefined: it does. Only for names in `SIGNER`. */
export function refusal(
  signerName: string,
  requested: RequestedCertificate,
  usages: readonly string[],
): string | undefined {
  if (signerName === SIGNER.apiClient) return clientRefusal(usages);
  const serving = signerName === SIGNER.kubeletServing;
  const nobody = nodeRefusal(requested);
  if (nobody !== undefined) return nobody;
  return serving ? servingRefusal(requested, usages) : kubeletRefusal(requested, usages);
}

function nodeRefusal({ organizations, commonName }: RequestedCertificate): string | undefined {
  if (organizations.length !== 1 || organizations[0] !== NODE_GROUP) return "subject organization is not system:nodes";
  return commonName.startsWith(NODE_PREFIX) ? undefined : "subject common name does not begin with system:node:";
}

function servingRefusal(requested: RequestedCertificate, usages: readonly string[]): string | undefined {
  const { dnsNames, ipAddresses, emailAddresses, uris } = requested;
  if (dnsNames.length + ipAddresses.length === 0) return "DNS or IP subjectAltName is required";
  if (emailAddresses.length > 0) return "Email subjectAltNames are not allowed";
  if (uris.length > 0) return "URI subjectAltNames are not allowed";
  return usageRefusal(usages, "server auth");
}

function kubeletRefusal(requested: RequestedCertificate, usages: readonly string[]): string | undefined {
  const { dnsNames, ipAddresses, emailAddresses, uris } = requested;
  if (dnsNames.length > 0) return "DNS subjectAltNames are not allowed";
  if (ipAddresses.length > 0) return "IP subjectAltNames are not allowed";
  if (emailAddresses.length > 0) return "Email subjectAltNames are not allowed";
  if (uris.length > 0) return "URI subjectAltNames are not allowed";
  return usageRefusal(usages, "client auth");
}

/** Exactly these, with or without key encipherment (which only RSA keys need). */
function usageRefusal(usages: readonly string[], purpose: string): string | undefined {
  const given = new Set(usages);
  given.delete("key encipherment");
  const right = given.size === 2 && given.has("digital signature") && given.has(purpose);
  return right ? undefined : `usages did not match [digital signature key encipherment ${purpose}]`;
}

function clientRefusal(usages: readonly string[]): string | undefined {
  const wrong = usages.find((usage) => !["digital signature", "key encipherment", "client auth"].includes(usage));
  if (wrong !== undefined) return `invalid usage for client certificate: ${wrong}`;
  return usages.includes("client auth") ? undefined : "missing required usage for client certificate: client auth";
}

/** A right that whoever asks needs for its request to be approved, and what is said then. */
export interface Recognized {
  readonly subresource: "selfnodeclient" | "nodeclient";
  readonly message: string;
}

/** Which automatic approvals come into question: a node's client certificate, for itself or for another. */
export function recognize({ spec }: CertificateSigningRequest, requested: RequestedCertificate): readonly Recognized[] {
  if (spec.signerName !== SIGNER.kubeletClient || refusal(spec.signerName, requested, spec.usages ?? [])) return [];
  const other: Recognized = {
    subresource: "nodeclient",
    message: "Auto approving kubelet client certificate after SubjectAccessReview.",
  };
  const own: Recognized = {
    subresource: "selfnodeclient",
    message: "Auto approving self kubelet client certificate after SubjectAccessReview.",
  };
  return spec.username === requested.commonName ? [own, other] : [other];
}
