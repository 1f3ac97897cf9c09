import type { CertificateSigningRequest, CertificateSigningRequestCondition } from "#formats/kube-types.generated.ts";

/** The condition of a type, when it holds. */
export function holding(
  { status }: CertificateSigningRequest,
  type: "Approved" | "Denied" | "Failed",
): CertificateSigningRequestCondition | undefined {
  return status?.conditions?.find((condition) => condition.type === type && condition.status !== "False");
}

export function requestText({ spec }: CertificateSigningRequest): string {
  return Buffer.from(spec.request, "base64").toString();
}
