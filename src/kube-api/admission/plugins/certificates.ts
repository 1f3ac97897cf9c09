// Who may approve and sign certificate requests (k8s.io/kubernetes plugin/pkg/admission/certificates).
import type { CertificateSigningRequest } from "#formats/kube-types.generated.ts";
import type { Authorizer } from "../../auth/authorizer.ts";
import { readSigningRequest } from "../../certificates/request.ts";
import { forbidden } from "../../status.ts";
import type { AdmissionPlugin, Attributes } from "../admission.ts";

const GROUP = "certificates.k8s.io";
const API_CLIENT_SIGNER = "kubernetes.io/kube-apiserver-client";

/** CertificateApproval, CertificateSigning and CertificateSubjectRestriction. */
export function certificateRights(authorizer: Authorizer): AdmissionPlugin {
  return {
    name: "CertificateRights",
    validate(attributes) {
      const { definition, operation, subresource, object, old } = attributes;
      if (definition.group !== GROUP || definition.resource !== "certificatesigningrequests" || !object) return;
      const request = object as CertificateSigningRequest;
      if (operation === "CREATE") return checkSubject(attributes, request);
      const before = old as CertificateSigningRequest | undefined;
      if (subresource === "approval") requireSigner(authorizer, attributes, request, "approve");
      if (subresource === "status" && isSigning(request, before))
        requireSigner(authorizer, attributes, request, "sign");
    },
  };
}

function isSigning(request: CertificateSigningRequest, before: CertificateSigningRequest | undefined): boolean {
  const failed = ({ status }: CertificateSigningRequest): boolean =>
    status?.conditions?.some(({ type }) => type === "Failed") ?? false;
  const signed = request.status?.certificate !== before?.status?.certificate;
  return signed || (failed(request) && !(before && failed(before)));
}

/** A right on the signer itself, or on all of its domain (`example.com/*`). */
function requireSigner(
  authorizer: Authorizer,
  { context, definition, name }: Attributes,
  { spec }: CertificateSigningRequest,
  verb: "approve" | "sign",
): void {
  const { signerName } = spec;
  const allowed = [signerName, `${signerName.slice(0, signerName.indexOf("/"))}/*`].some((signer) => {
    const access = { verb, group: GROUP, resource: "signers", subresource: "", namespace: "", name: signer };
    return authorizer.authorize(context.user, access).allowed;
  });
  if (!allowed)
    throw forbidden(definition, name, `user not permitted to ${verb} requests with signerName "${signerName}"`);
}

/** Nobody becomes a member of system:masters by a certificate of the API's own. */
function checkSubject({ definition, name }: Attributes, { spec }: CertificateSigningRequest): void {
  if (spec.signerName !== API_CLIENT_SIGNER) return;
  const { organizations } = readSigningRequest(Buffer.from(spec.request, "base64").toString());
  if (organizations.includes("system:masters")) {
    const why = `use of ${API_CLIENT_SIGNER} signer with system:masters group is not allowed`;
    throw forbidden(definition, name, why);
  }
}
