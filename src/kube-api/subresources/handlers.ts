import type { FieldValidation } from "#formats/kube-decode.ts";
import type { Api } from "../api.ts";
import type { RequestContext } from "../context.ts";
import type { PatchRequest } from "../options.ts";
import type { Body } from "../registry/input.ts";
import type { Answer, ObjectRef } from "../service.ts";
import { bindingHandler } from "./binding.ts";
import { evictionHandler } from "./eviction.ts";
import { accessReview, selfAccessReview, selfReview, selfRulesReview, tokenReview } from "./reviews.ts";
import { scaleHandler } from "./scale.ts";
import { schedulingHandler } from "./scheduling.ts";
import { tokenHandler } from "./token.ts";

/** A subresource whose documents are not the object itself. Verbs it leaves out act on the object. */
export interface SubresourceHandler {
  get?(api: Api, context: RequestContext, ref: ObjectRef): Promise<Answer>;
  create?(api: Api, context: RequestContext, ref: ObjectRef, body: Body, validation: FieldValidation): Promise<Answer>;
  update?(api: Api, context: RequestContext, ref: ObjectRef, body: Body, validation: FieldValidation): Promise<Answer>;
  patch?(
    api: Api,
    context: RequestContext,
    ref: ObjectRef,
    request: PatchRequest,
    validation: FieldValidation,
  ): Promise<Answer>;
}

const HANDLERS: Readonly<Record<string, SubresourceHandler>> = {
  "pods/binding": bindingHandler,
  bindings: bindingHandler,
  "pods/eviction": evictionHandler,
  "pods/scheduling": schedulingHandler,
  "serviceaccounts/token": tokenHandler,
  scale: scaleHandler,
  selfsubjectaccessreviews: selfAccessReview,
  selfsubjectrulesreviews: selfRulesReview,
  selfsubjectreviews: selfReview,
  subjectaccessreviews: accessReview,
  localsubjectaccessreviews: accessReview,
  tokenreviews: tokenReview,
};

export function subresourceHandler({ definition, subresource }: ObjectRef): SubresourceHandler | undefined {
  if (subresource === "") return definition.custom ? undefined : HANDLERS[definition.resource];
  return HANDLERS[`${definition.resource}/${subresource}`] ?? HANDLERS[subresource];
}
