import { decodeObject, type FieldValidation } from "#formats/kube-decode.ts";
import type { KubeObject } from "#formats/kube-object.ts";
import { formatSelector, selectorOf, selectorOfMap } from "#formats/selectors.ts";
import type { LabelSelector, Scale } from "#formats/kube-types.generated.ts";
import { copyTree, isJsonObject, setOwn } from "#formats/tree.ts";
import { applyJsonPatch, readJsonPatch } from "#formats/json-patch.ts";
import { applyMergePatch } from "#formats/merge-patch.ts";
import type { Api } from "../api.ts";
import type { RequestContext } from "../context.ts";
import type { PatchRequest } from "../options.ts";
import type { Body } from "../registry/input.ts";
import type { Answer, ObjectRef } from "../service.ts";
import { badRequest, invalid } from "../status.ts";
import { get } from "../verbs/get.ts";
import { update } from "../verbs/update.ts";
import type { SubresourceHandler } from "./handlers.ts";

const SCALE = { group: "autoscaling", version: "v1", kind: "Scale" };

type Scalable = KubeObject & {
  spec?: { replicas?: number; selector?: LabelSelector | Record<string, string> };
  status?: { replicas?: number };
};

/** GET, PUT and PATCH of an autoscaling/v1 Scale: the replica count of a workload. */
export const scaleHandler: SubresourceHandler = {
  async get(api, _context, ref) {
    const { object } = await get(api, ref.definition, ref.namespace, ref.name);
    return { value: scaleOf(ref, object) };
  },
  update: (api, context, ref, body, validation) => rescale(api, context, ref, () => readScale(body, validation)),
  patch: (api, context, ref, request, validation) =>
    rescale(api, context, ref, (before) => readScale({ value: patched(before, request) }, validation)),
};

async function rescale(
  api: Api,
  context: RequestContext,
  ref: ObjectRef,
  wanted: (before: Scale) => Scale,
): Promise<Answer> {
  const document = await update(api, context, { ...ref, subresource: "scale" }, (current) => {
    const scale = wanted(scaleOf(ref, current));
    const replicas = scale.spec?.replicas ?? 0;
    if (replicas < 0) {
      const message = `Invalid value: ${replicas}: must be greater than or equal to 0`;
      throw invalid(SCALE.group, SCALE.kind, ref.name, [
        { field: "spec.replicas", message, reason: "FieldValueInvalid" },
      ]);
    }
    const next = copyTree(current) as Scalable;
    const own = ref.definition.custom?.scale;
    const { resourceVersion } = (scale as KubeObject).metadata;
    delete next.metadata.resourceVersion;
    if (resourceVersion) next.metadata.resourceVersion = resourceVersion;
    if (own) setAt(next, own.specReplicasPath, replicas);
    else next.spec = { ...next.spec, replicas };
    return next;
  });
  return { value: scaleOf(ref, document.object) };
}

function readScale({ value, duplicates = [] }: Body, validation: FieldValidation): Scale {
  if (!isJsonObject(value)) throw badRequest("the body of the request must be one object");
  if (value["kind"] !== undefined && value["kind"] !== "Scale") {
    throw badRequest(`wrong object passed to Scale update: ${JSON.stringify(value["kind"])}`);
  }
  return decodeObject(SCALE, value, validation, duplicates).object as Scale;
}

function patched(before: Scale, { type, body }: PatchRequest): unknown {
  // A Scale has no lists and no merge keys: strategic and plain merging are the same.
  return type === "json"
    ? applyJsonPatch(before, readJsonPatch(body))
    : withoutRevision(before, applyMergePatch(before, body));
}

function withoutRevision(before: Scale, after: unknown): unknown {
  const metadata = isJsonObject(after) && isJsonObject(after["metadata"]) ? after["metadata"] : {};
  if (metadata["resourceVersion"] === (before as KubeObject).metadata.resourceVersion)
    delete metadata["resourceVersion"];
  return after;
}

function scaleOf({ definition }: ObjectRef, object: KubeObject): Scale {
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata;
  const own = definition.custom?.scale;
  const { spec = {}, status = {} } = object as Scalable;
  const found = own ? valueAt(object, own.labelSelectorPath ?? "") : undefined;
  const selector = own ? (typeof found === "string" ? found : "") : selectorText(spec.selector);
  const replicas = own ? valueAt(object, own.specReplicasPath) : spec.replicas;
  const current = own ? valueAt(object, own.statusReplicasPath) : status.replicas;
  return {
    kind: "Scale",
    apiVersion: "autoscaling/v1",
    metadata: { name, namespace, uid, resourceVersion, creationTimestamp },
    spec: { replicas: Number(replicas ?? 0) },
    status: { replicas: Number(current ?? 0), ...(selector === "" ? {} : { selector }) },
  } as Scale;
}

/** The value at `.spec.replicas`. */
function valueAt(object: object, path: string): unknown {
  let value: unknown = object;
  for (const name of path.split(".").filter(Boolean))
    value = isJsonObject(value) && Object.hasOwn(value, name) ? value[name] : undefined;
  return path === "" ? undefined : value;
}

function setAt(object: object, path: string, value: unknown): void {
  const names = path.split(".").filter(Boolean);
  const last = names.pop() ?? "";
  let at = object as Record<string, unknown>;
  for (const name of names) {
    const below = Object.hasOwn(at, name) ? at[name] : undefined;
    const next = isJsonObject(below) ? below : {};
    setOwn(at, name, next);
    at = next;
  }
  setOwn(at, last, value);
}

function selectorText(selector: LabelSelector | Record<string, string> | undefined): string {
  if (!selector) return "";
  const full = "matchLabels" in selector || "matchExpressions" in selector;
  return formatSelector(
    full ? selectorOf(selector as LabelSelector) : selectorOfMap(selector as Record<string, string>),
  );
}
