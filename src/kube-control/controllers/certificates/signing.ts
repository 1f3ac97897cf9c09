import { objectKey } from "#formats/kube-object.ts";
import { RESOURCES } from "#formats/kube-resources.ts";
import type { CertificateSigningRequest, CertificateSigningRequestStatus } from "#formats/kube-types.generated.ts";
import { controller, enqueueFrom, informerOf, type Controller, type ControllerContext } from "../shared/controller.ts";
import { holding, requestText } from "./conditions.ts";
import { refusal, SIGNER } from "./rules.ts";
import type { CertificateSigner } from "./signer-port.ts";

/** kube-controller-manager's default of --cluster-signing-duration, and the shortest that may be asked for. */
const LONGEST_MS = 365 * 24 * 3_600_000;
const SHORTEST_MS = 600_000;
/** Clocks differ: certificates begin a little before now (k8s.io/kubernetes pkg/controller/certificates/authority). */
const BACKDATE_MS = 300_000;
/** Those that last less keep their whole duration. */
const SHORT_MS = 8 * 3_600_000;

const SIGNERS: readonly string[] = Object.values(SIGNER);

/** Signs approved requests of the signers that are the cluster's own. */
export function csrSigning(context: ControllerContext, signer: CertificateSigner): Controller {
  const requests = informerOf(context, RESOURCES.certificatesigningrequests);
  return controller(context, {
    name: "certificatesigningrequest-signing-controller",
    async reconcile(key) {
      const request = requests.cache.get(key);
      if (!request || !isDue(request)) return;
      const status = { ...request.status, ...outcome(signer, request, context.clock.now()) };
      await context.client.update(RESOURCES.certificatesigningrequests, { ...request, status }, "status");
    },
    allKeys: () => Array.from(requests.cache.values(), objectKey),
    watch: (queue) => [enqueueFrom(requests, queue, (request) => [objectKey(request)])],
  });
}

function isDue(request: CertificateSigningRequest): boolean {
  if (!SIGNERS.includes(request.spec.signerName) || request.status?.certificate) return false;
  return Boolean(holding(request, "Approved")) && !holding(request, "Denied") && !holding(request, "Failed");
}

function outcome(
  signer: CertificateSigner,
  request: CertificateSigningRequest,
  nowMs: number,
): CertificateSigningRequestStatus {
  const { signerName, usages = [] } = request.spec;
  const text = requestText(request);
  const message = refusal(signerName, signer.read(text), usages);
  if (message !== undefined) {
    const failed = { type: "Failed", status: "True", reason: "SignerValidationFailure", message };
    return { conditions: [...(request.status?.conditions ?? []), failed] };
  }
  const certificate = signer.sign(text, { usages, ...validity(request, nowMs) });
  return { certificate: Buffer.from(certificate).toString("base64") };
}

function validity({ spec }: CertificateSigningRequest, nowMs: number): { notBeforeMs: number; notAfterMs: number } {
  const wantedMs = spec.expirationSeconds === undefined ? LONGEST_MS : spec.expirationSeconds * 1000;
  const lastsMs = Math.min(LONGEST_MS, Math.max(SHORTEST_MS, wantedMs));
  const notBeforeMs = nowMs - BACKDATE_MS;
  return { notBeforeMs, notAfterMs: (lastsMs < SHORT_MS ? nowMs : notBeforeMs) + lastsMs };
}
