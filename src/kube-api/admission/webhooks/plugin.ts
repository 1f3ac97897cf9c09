// Mutating and validating admission webhooks (k8s.io/apiserver pkg/admission/plugin/webhook).
import { errorText, isGantryError } from "#base/errors.ts";
import { uuid } from "#base/ids.ts";
import type { Logger } from "#base/logger.ts";
import type { Random } from "#base/random.ts";
import { applyJsonPatch, readJsonPatch } from "#formats/json-patch.ts";
import type { KubeObject } from "#formats/kube-object.ts";
import type { Status } from "#formats/kube-types.generated.ts";
import { isJsonObject, sameTree } from "#formats/tree.ts";
import { readObject } from "../../registry/input.ts";
import { badRequest, failure, internalError } from "../../status.ts";
import type { AdmissionPlugin, Attributes } from "../admission.ts";
import type { Lister, Reader } from "../reader.ts";
import { callWebhook } from "./call.ts";
import type { Webhook, WebhookConfiguration } from "./configuration.ts";
import { wants } from "./match.ts";

export interface WebhookOptions {
  readonly read: Reader;
  readonly list: Lister;
  readonly random: Random;
  readonly logger: Logger;
}

const MUTATING = "mutatingwebhookconfigurations.admissionregistration.k8s.io";
const VALIDATING = "validatingwebhookconfigurations.admissionregistration.k8s.io";
const DEFAULT_SECONDS = 10;

/** Webhooks may change the object, one after the other; those that ask for it look again at what later ones made of it. */
export function mutatingWebhooks(options: WebhookOptions): AdmissionPlugin {
  return {
    name: "MutatingAdmissionWebhook",
    async admit(attributes) {
      const webhooks = await interested(options, MUTATING, attributes);
      const again: { webhook: Webhook; left: object }[] = [];
      for (const webhook of webhooks) {
        await mutate(options, webhook, attributes);
        if (webhook.reinvocationPolicy === "IfNeeded" && attributes.object)
          again.push({ webhook, left: structuredClone(attributes.object) });
      }
      for (const { webhook, left } of again)
        if (!sameTree(left, attributes.object)) await mutate(options, webhook, attributes);
    },
  };
}

/** Webhooks may only refuse; all are asked at once, and the first refusal in their order counts. */
export function validatingWebhooks(options: WebhookOptions): AdmissionPlugin {
  return {
    name: "ValidatingAdmissionWebhook",
    async validate(attributes) {
      const webhooks = await interested(options, VALIDATING, attributes);
      const outcomes = await Promise.allSettled(webhooks.map((webhook) => ask(options, webhook, attributes)));
      for (const outcome of outcomes) if (outcome.status === "rejected") throw outcome.reason;
    },
  };
}

/** What a request is sent to, in the order of the configurations' names. Webhooks are never asked about webhooks. */
async function interested(
  { read, list }: WebhookOptions,
  resource: string,
  attributes: Attributes,
): Promise<Webhook[]> {
  const configurations = (await list(resource, "")) as readonly WebhookConfiguration[];
  if (configurations.length === 0) return [];
  const { definition, namespace } = attributes;
  if (definition.group === "admissionregistration.k8s.io") return [];
  const own = definition.namespaced ? await read("namespaces", "", namespace) : undefined;
  return configurations.flatMap(({ webhooks = [] }) => webhooks.filter((webhook) => wants(webhook, attributes, own)));
}

interface Answer {
  readonly allowed: boolean;
  readonly patch?: string;
  readonly patchType?: string;
  readonly status?: Partial<Status>;
  readonly warnings?: readonly string[];
}

/** Asks one webhook. Throws when it refuses, and when it fails unless its failures are to be ignored (then undefined). */
async function ask(options: WebhookOptions, webhook: Webhook, attributes: Attributes): Promise<Answer | undefined> {
  const { name, failurePolicy = "Fail", sideEffects, timeoutSeconds = DEFAULT_SECONDS } = webhook;
  if (attributes.context.dryRun && sideEffects !== "None" && sideEffects !== "NoneOnDryRun") {
    throw badRequest(`admission webhook ${JSON.stringify(name)} does not support dry run`);
  }
  const uid = uuid(options.random);
  let answer: Answer;
  try {
    const review = reviewOf(attributes, uid);
    answer = readAnswer(
      await callWebhook(webhook.clientConfig, review, timeoutSeconds * 1000, options.read, options.list),
      uid,
    );
  } catch (error) {
    options.logger.warn({ webhook: name, error: errorText(error) }, "admission webhook failed");
    if (failurePolicy === "Ignore") return undefined;
    throw internalError(`failed calling webhook ${JSON.stringify(name)}: failed to call webhook: ${errorText(error)}`);
  }
  for (const warning of answer.warnings ?? []) attributes.context.warn(warning);
  if (!answer.allowed) throw denied(name, answer.status);
  return answer;
}

function reviewOf(
  { operation, definition, subresource, namespace, name, object, old, context, options }: Attributes,
  uid: string,
): object {
  const { group, version, kind, resource } = definition;
  const { user, dryRun } = context;
  const userInfo = {
    username: user.name,
    ...(user.uid === undefined ? {} : { uid: user.uid }),
    groups: user.groups,
    ...(user.extra ? { extra: user.extra } : {}),
  };
  const shownName = name === "" ? (object?.metadata.name ?? "") : name;
  const request = {
    uid,
    kind: { group, version, kind },
    resource: { group, version, resource },
    ...(subresource === "" ? {} : { subResource: subresource, requestSubResource: subresource }),
    requestKind: { group, version, kind },
    requestResource: { group, version, resource },
    ...(shownName === "" ? {} : { name: shownName }),
    ...(namespace === "" ? {} : { namespace }),
    operation,
    userInfo,
    object: object ?? null,
    oldObject: old ?? null,
    dryRun,
    options: options ?? null,
  };
  return { kind: "AdmissionReview", apiVersion: "admission.k8s.io/v1", request };
}

function readAnswer(value: unknown, uid: string): Answer {
  const response = isJsonObject(value) ? value["response"] : undefined;
  if (!isJsonObject(value) || value["kind"] !== "AdmissionReview") throw new Error("the answer is no AdmissionReview");
  if (!isJsonObject(response)) throw new Error("webhook response was absent");
  if (response["uid"] !== uid)
    throw new Error(`expected response.uid=${JSON.stringify(uid)}, got ${JSON.stringify(response["uid"] ?? "")}`);
  return response as unknown as Answer;
}

/** k8s.io/apiserver pkg/admission/plugin/webhook/errors ToStatusErr. */
function denied(name: string, status: Partial<Status> = {}): Error {
  const by = `admission webhook ${JSON.stringify(name)} denied the request`;
  const http = status.code && status.code >= 400 ? status.code : 400;
  const explanation = status.message || status.reason;
  const message = explanation ? `${by}: ${explanation}` : `${by} without explanation`;
  const details = status.details ? { details: status.details } : {};
  return failure({
    code: http === 403 ? "forbidden" : "invalid",
    http,
    reason: status.reason ?? "",
    message,
    ...details,
  });
}

async function mutate(options: WebhookOptions, webhook: Webhook, attributes: Attributes): Promise<void> {
  const answer = await ask(options, webhook, attributes);
  const { object, definition, context } = attributes;
  if (!answer?.patch || !object) return;
  try {
    if (answer.patchType !== "JSONPatch")
      throw new Error(`invalid response.patchType: ${JSON.stringify(answer.patchType ?? "")}`);
    const patch = readJsonPatch(JSON.parse(Buffer.from(answer.patch, "base64").toString()));
    const changed = readObject(context, definition, { value: applyJsonPatch(object, patch) }, "Ignore");
    replaceContent(object, changed);
  } catch (error) {
    if (isGantryError(error) && error.details["status"]) throw error;
    throw internalError(`failed calling webhook ${JSON.stringify(webhook.name)}: ${errorText(error)}`);
  }
}

/** The object stays the same for everyone who holds it; what is in it changes. */
function replaceContent(object: KubeObject, next: KubeObject): void {
  const target = object as unknown as Record<string, unknown>;
  for (const key of Object.keys(target)) delete target[key];
  Object.assign(target, next);
}
