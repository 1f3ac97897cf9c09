import { X509Certificate } from "node:crypto";
import { objectKey } from "#formats/kube-object.ts";
import { RESOURCES } from "#formats/kube-resources.ts";
import { parseKubeTime } from "#formats/kube-time.ts";
import type { CertificateSigningRequest } from "#formats/kube-types.generated.ts";
import { controller, enqueueFrom, informerOf, type Controller, type ControllerContext } from "../shared/controller.ts";
import { holding } from "./conditions.ts";

/** k8s.io/kubernetes pkg/controller/certificates/cleaner. */
const DECIDED_MS = 3_600_000;
const PENDING_MS = 24 * 3_600_000;

/** Removes requests that are of no more use: an hour after their end, a day when nothing came of them. */
export function csrCleaner(context: ControllerContext): Controller {
  const requests = informerOf(context, RESOURCES.certificatesigningrequests);
  return controller(context, {
    name: "certificatesigningrequest-cleaner-controller",
    async reconcile(key) {
      const request = requests.cache.get(key);
      if (!request) return undefined;
      const waitMs = cleanupAtMs(request) - context.clock.now();
      if (waitMs > 0) return { requeueAfterMs: waitMs };
      const { uid } = request.metadata;
      const preconditions = uid === undefined ? {} : { preconditions: { uid } };
      await context.client.delete(RESOURCES.certificatesigningrequests, undefined, key, preconditions);
      return undefined;
    },
    allKeys: () => Array.from(requests.cache.values(), objectKey),
    watch: (queue) => [enqueueFrom(requests, queue, (request) => [objectKey(request)])],
  });
}

/** Pure: when a request may go, in epoch milliseconds. */
export function cleanupAtMs(request: CertificateSigningRequest): number {
  const createdMs = parseKubeTime(request.metadata.creationTimestamp) ?? 0;
  const sinceMs = (type: "Approved" | "Denied" | "Failed"): number | undefined => {
    const condition = holding(request, type);
    return condition ? (parseKubeTime(condition.lastUpdateTime) ?? createdMs) : undefined;
  };
  const approvedMs = sinceMs("Approved");
  const endedMs = [sinceMs("Denied"), sinceMs("Failed")].filter((each) => each !== undefined);
  const ends = endedMs.map((each) => each + DECIDED_MS);
  if (approvedMs !== undefined) ends.push(approvedMs + (request.status?.certificate ? DECIDED_MS : PENDING_MS));
  const expiry = certificateEndMs(request);
  if (expiry !== undefined) ends.push(expiry);
  return ends.length > 0 ? Math.min(...ends) : createdMs + PENDING_MS;
}

function certificateEndMs({ status }: CertificateSigningRequest): number | undefined {
  if (!status?.certificate) return undefined;
  try {
    return new X509Certificate(Buffer.from(status.certificate, "base64")).validToDate.getTime();
  } catch (error) {
    // Another signer may have written anything.
    if (error instanceof Error) return undefined;
    throw error;
  }
}
