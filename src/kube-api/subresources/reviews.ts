// Reviews are questions: they are answered and not kept (k8s.io/kubernetes pkg/registry/authentication, authorization).
import { decodeObject, type FieldValidation } from "#formats/kube-decode.ts";
import type { KubeObject } from "#formats/kube-object.ts";
import type { PolicyRule, SubjectAccessReviewSpec, TokenReview } from "#formats/kube-types.generated.ts";
import { isJsonObject } from "#formats/tree.ts";
import type { Api } from "../api.ts";
import type { Access } from "../auth/authorizer.ts";
import type { User } from "../context.ts";
import type { Body } from "../registry/input.ts";
import { apiVersionOf } from "../resources/definition.ts";
import type { ObjectRef } from "../service.ts";
import { badRequest, invalid, type FieldFault } from "../status.ts";
import type { SubresourceHandler } from "./handlers.ts";

type Review = KubeObject & { spec?: Record<string, unknown> };

function readReview({ definition }: ObjectRef, { value, duplicates = [] }: Body, validation: FieldValidation): Review {
  if (!isJsonObject(value)) throw badRequest("the body of the request must be one object");
  const { object } = decodeObject(definition, value, validation, duplicates);
  return { ...object, kind: definition.kind, apiVersion: apiVersionOf(definition), metadata: object.metadata ?? {} };
}

function answer(review: Review, status: object): { value: object } {
  return { value: { ...review, metadata: { ...review.metadata }, status } };
}

/** What the spec of a review asks for. */
function accessOf(spec: SubjectAccessReviewSpec): Access {
  const { resourceAttributes: resource, nonResourceAttributes: path } = spec;
  if (path) return { verb: path.verb ?? "", path: path.path ?? "" };
  return {
    verb: resource?.verb ?? "",
    group: resource?.group ?? "",
    version: resource?.version ?? "",
    resource: resource?.resource ?? "",
    subresource: resource?.subresource ?? "",
    namespace: resource?.namespace ?? "",
    name: resource?.name ?? "",
  };
}

function decide(api: Api, user: User, spec: SubjectAccessReviewSpec): object {
  const { allowed, reason } = api.authorizer.authorize(user, accessOf(spec));
  return { allowed, ...(reason === "" ? {} : { reason }) };
}

function checkSpec(review: Review, spec: SubjectAccessReviewSpec, namesSubject: boolean): void {
  const faults: FieldFault[] = [];
  const both = Boolean(spec.resourceAttributes) && Boolean(spec.nonResourceAttributes);
  const fault = (field: string, message: string, reason: string): void => void faults.push({ field, message, reason });
  if (both)
    fault(
      "spec.nonResourceAttributes",
      "Invalid value: cannot be specified in combination with resourceAttributes",
      "FieldValueInvalid",
    );
  if (!spec.resourceAttributes && !spec.nonResourceAttributes) {
    fault(
      "spec.resourceAttributes",
      "Invalid value: null: exactly one of nonResourceAttributes or resourceAttributes must be specified",
      "FieldValueInvalid",
    );
  }
  if (namesSubject && !spec.user && !(spec.groups ?? []).length) {
    fault("spec.user", 'Invalid value: "": at least one of user or group must be specified', "FieldValueInvalid");
  }
  if (faults.length > 0) throw invalid("authorization.k8s.io", review.kind ?? "", "", faults);
}

/** May I? */
export const selfAccessReview: SubresourceHandler = {
  async create(api, context, ref, body, validation) {
    const review = readReview(ref, body, validation);
    const spec = (review.spec ?? {}) as SubjectAccessReviewSpec;
    checkSpec(review, spec, false);
    return answer(review, decide(api, context.user, spec));
  },
};

/** May they? */
export const accessReview: SubresourceHandler = {
  async create(api, _context, ref, body, validation) {
    const review = readReview(ref, body, validation);
    const spec = (review.spec ?? {}) as SubjectAccessReviewSpec;
    checkSpec(review, spec, true);
    if (ref.definition.namespaced) checkLocal(ref, spec);
    return answer(review, decide(api, subjectOf(spec), spec));
  },
};

function checkLocal({ namespace }: ObjectRef, spec: SubjectAccessReviewSpec): void {
  if (spec.resourceAttributes && spec.resourceAttributes.namespace !== namespace) {
    throw badRequest(`spec.resourceAttributes.namespace must match namespace: ${namespace}`);
  }
}

function subjectOf({ user = "", groups = [], uid, extra }: SubjectAccessReviewSpec): User {
  return { name: user, groups, ...(uid === undefined ? {} : { uid }), ...(extra ? { extra } : {}) };
}

/** What may I do in this namespace? */
export const selfRulesReview: SubresourceHandler = {
  async create(api, context, ref, body, validation) {
    const review = readReview(ref, body, validation);
    const namespace = review.spec?.["namespace"];
    if (typeof namespace !== "string" || namespace === "") throw badRequest("no namespace on request");
    const { everywhere, byNamespace } = api.rbac.rulesOf(context.user);
    const masters = context.user.groups.includes("system:masters") ? ALL_RULES : [];
    const rules = [...masters, ...everywhere, ...(byNamespace.get(namespace) ?? [])];
    const resourceRules = rules.filter((rule) => (rule.resources ?? []).length > 0).map(resourceRule);
    const nonResourceRules = rules.filter((rule) => (rule.nonResourceURLs ?? []).length > 0).map(pathRule);
    return answer(review, { resourceRules, nonResourceRules, incomplete: false });
  },
};

const ALL_RULES: readonly PolicyRule[] = [
  { verbs: ["*"], apiGroups: ["*"], resources: ["*"] },
  { verbs: ["*"], nonResourceURLs: ["*"] },
];

function resourceRule({ verbs, apiGroups, resources, resourceNames }: PolicyRule): object {
  return { verbs, apiGroups, resources, ...(resourceNames ? { resourceNames } : {}) };
}

function pathRule({ verbs, nonResourceURLs }: PolicyRule): object {
  return { verbs, nonResourceURLs };
}

/** Who am I? */
export const selfReview: SubresourceHandler = {
  async create(api, context, ref, body, validation) {
    const { name, uid, groups, extra } = context.user;
    const userInfo = { username: name, ...(uid === undefined ? {} : { uid }), groups, ...(extra ? { extra } : {}) };
    const review = readReview(ref, body, validation);
    return answer(
      { ...review, metadata: { creationTimestamp: new Date(api.clock.now()).toISOString().replace(/\.\d+/, "") } },
      { userInfo },
    );
  },
};

/** Whose token is this? */
export const tokenReview: SubresourceHandler = {
  async create(api, _context, ref, body, validation) {
    const review = readReview(ref, body, validation) as unknown as TokenReview & Review;
    const { token = "", audiences } = review.spec as { token?: string; audiences?: string[] };
    if (token === "") throw badRequest("token is required for TokenReview in authentication");
    try {
      const verified = await api.tokens.verify(token, audiences?.length ? audiences : undefined);
      const { name, uid, groups, extra } = verified.user;
      const user = { username: name, ...(uid === undefined ? {} : { uid }), groups, ...(extra ? { extra } : {}) };
      return answer(review, { authenticated: true, user, audiences: verified.audiences });
    } catch {
      // Why a token is not valid is nobody's business.
      return answer(review, { authenticated: false, user: {}, error: "invalid bearer token" });
    }
  },
};
