import { applyDefaults } from "#formats/kube-defaults.ts";
import { decodeObject } from "#formats/kube-decode.ts";
import type { KubeObject } from "#formats/kube-object.ts";
import { kubeTime } from "#formats/kube-time.ts";
import type { Pod } from "#formats/kube-types.generated.ts";
import { isJsonObject } from "#formats/tree.ts";
import type { Api } from "../api.ts";
import type { BoundObject } from "../auth/tokens.ts";
import { badRequest, conflict, invalid, notFound, type FieldFault } from "../status.ts";
import { find, get } from "../verbs/get.ts";
import type { SubresourceHandler } from "./handlers.ts";

const TOKEN_REQUEST = { group: "authentication.k8s.io", version: "v1", kind: "TokenRequest" };
const MIN_SECONDS = 600;
const MAX_SECONDS = 2 ** 32;

interface Request extends KubeObject {
  spec?: {
    audiences?: string[];
    expirationSeconds?: number;
    boundObjectRef?: { kind?: string; apiVersion?: string; name?: string; uid?: string };
  };
}

/** POST serviceaccounts/NAME/token (k8s.io/kubernetes pkg/registry/core/serviceaccount/storage TokenREST). */
export const tokenHandler: SubresourceHandler = {
  async create(api, _context, ref, { value, duplicates = [] }, validation) {
    if (!isJsonObject(value)) throw badRequest("the body of the request must be one object");
    const request = decodeObject(TOKEN_REQUEST, value, validation, duplicates).object as Request;
    applyDefaults(TOKEN_REQUEST, request);
    const { object: account } = await get(api, ref.definition, ref.namespace, ref.name);
    const { audiences = [], expirationSeconds = 3600, boundObjectRef } = request.spec ?? {};
    checkSeconds(expirationSeconds);
    const { bound, node } = await resolve(api, ref.namespace, ref.name, boundObjectRef);
    const { token, expiresMs } = await api.tokens.issue({ account, audiences, expirationSeconds, bound, node });
    const spec = {
      ...request.spec,
      audiences: audiences.length > 0 ? audiences : api.tokens.audiences,
      expirationSeconds,
    };
    return {
      value: {
        kind: "TokenRequest",
        apiVersion: "authentication.k8s.io/v1",
        metadata: { name: ref.name, namespace: ref.namespace, creationTimestamp: kubeTime(api.clock.now()) },
        spec,
        status: { token, expirationTimestamp: kubeTime(expiresMs) },
      },
    };
  },
};

function checkSeconds(seconds: number): void {
  const faults: FieldFault[] = [];
  const fault = (message: string): void =>
    void faults.push({
      field: "spec.expirationSeconds",
      message: `Invalid value: ${seconds}: ${message}`,
      reason: "FieldValueInvalid",
    });
  if (seconds < MIN_SECONDS) fault("may not specify a duration less than 10 minutes");
  if (seconds > MAX_SECONDS) fault("may not specify a duration larger than 2^32 seconds");
  if (faults.length > 0) throw invalid(TOKEN_REQUEST.group, TOKEN_REQUEST.kind, "", faults);
}

type Reference = NonNullable<NonNullable<Request["spec"]>["boundObjectRef"]>;

/** The object that the token is to live and die with; it must be there, and of the account. */
async function resolve(api: Api, namespace: string, account: string, reference: Reference | undefined) {
  if (!reference) return { bound: undefined, node: undefined };
  const { kind = "", name = "", uid } = reference;
  const resource = { Pod: "pods", Secret: "secrets", Node: "nodes" }[kind];
  if (!resource || reference.apiVersion !== "v1") {
    throw badRequest(`cannot bind token to object of type ${reference.apiVersion ?? ""}, Kind=${kind}`);
  }
  const definition = api.resources.expect("", "v1", resource);
  const document = await find(api, definition, definition.namespaced ? namespace : "", name);
  if (!document) throw notFound(definition, name);
  const { object } = document;
  const own = object.metadata.uid ?? "";
  if (uid && uid !== own) {
    throw conflict(
      definition,
      name,
      `the UID in the bound object reference (${uid}) does not match the UID in record. The object might have been deleted and then recreated`,
    );
  }
  const bound = { kind: kind as BoundObject["kind"], name, uid: own };
  if (kind !== "Pod") return { bound, node: undefined };
  const { spec } = object as Pod;
  if ((spec?.serviceAccountName ?? "default") !== account) {
    throw badRequest(
      `cannot bind token for serviceaccount ${JSON.stringify(account)} to pod running with different serviceaccount name.`,
    );
  }
  return { bound, node: await nodeOf(api, spec?.nodeName) };
}

async function nodeOf(api: Api, name: string | undefined) {
  if (!name) return undefined;
  const node = await find(api, api.resources.expect("", "v1", "nodes"), "", name);
  return node ? { name, uid: node.object.metadata.uid ?? "" } : undefined;
}
