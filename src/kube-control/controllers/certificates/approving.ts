import { objectKey } from "#formats/kube-object.ts";
import { RESOURCES } from "#formats/kube-resources.ts";
import type { CertificateSigningRequest, SubjectAccessReview } from "#formats/kube-types.generated.ts";
import { controller, enqueueFrom, informerOf, type Controller, type ControllerContext } from "../shared/controller.ts";
import { holding, requestText } from "./conditions.ts";
import { recognize, type Recognized } from "./rules.ts";
import type { CertificateSigner } from "./signer-port.ts";

/** Approves the client certificates of nodes, for those who have the right to ask for them. */
export function csrApproving(context: ControllerContext, signer: CertificateSigner): Controller {
  const requests = informerOf(context, RESOURCES.certificatesigningrequests);
  return controller(context, {
    name: "certificatesigningrequest-approving-controller",
    async reconcile(key) {
      const request = requests.cache.get(key);
      if (!request || request.status?.certificate || holding(request, "Approved") || holding(request, "Denied")) return;
      const candidates = recognize(request, signer.read(requestText(request)));
      for (const each of candidates) {
        if (await isAllowed(context, request, each)) return approve(context, request, each);
      }
    },
    allKeys: () => Array.from(requests.cache.values(), objectKey),
    watch: (queue) => {
      // Rights that are given later are a reason to look again.
      const all = (): void => {
        for (const request of requests.cache.values()) queue.add(objectKey(request));
      };
      return [
        enqueueFrom(requests, queue, (request) => [objectKey(request)]),
        informerOf(context, RESOURCES.clusterroles).addHandler({ update: all }),
        informerOf(context, RESOURCES.clusterrolebindings).addHandler({ add: all, update: all }),
      ];
    },
  });
}

async function isAllowed(
  { client }: ControllerContext,
  { spec }: CertificateSigningRequest,
  { subresource }: Recognized,
): Promise<boolean> {
  const review: SubjectAccessReview = {
    metadata: {},
    spec: {
      user: spec.username,
      uid: spec.uid,
      groups: spec.groups,
      extra: spec.extra,
      resourceAttributes: {
        group: "certificates.k8s.io",
        resource: "certificatesigningrequests",
        verb: "create",
        subresource,
      },
    },
  };
  return (await client.create(RESOURCES.subjectaccessreviews, review)).status?.allowed === true;
}

async function approve(
  { client }: ControllerContext,
  request: CertificateSigningRequest,
  { message }: Recognized,
): Promise<void> {
  const condition = { type: "Approved", status: "True", reason: "AutoApproved", message };
  const conditions = [...(request.status?.conditions ?? []), condition];
  const approved = { ...request, status: { ...request.status, conditions } };
  await client.update(RESOURCES.certificatesigningrequests, approved, "approval");
}
