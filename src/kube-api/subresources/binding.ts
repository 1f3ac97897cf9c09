import type { KubeObject } from "#formats/kube-object.ts";
import { kubeTime } from "#formats/kube-time.ts";
import { copyTree, isJsonObject } from "#formats/tree.ts";
import type { Binding, Pod, PodCondition } from "#formats/kube-types.generated.ts";
import { decodeObject } from "#formats/kube-decode.ts";
import type { Api } from "../api.ts";
import { badRequest, conflict, invalid } from "../status.ts";
import { update } from "../verbs/update.ts";
import type { SubresourceHandler } from "./handlers.ts";

const BINDING = { group: "", version: "v1", kind: "Binding" };

/** POST pods/NAME/binding (and the older POST bindings): puts a pod on a node, once (registry/core/pod/storage BindingREST). */
export const bindingHandler: SubresourceHandler = {
  async create(api, context, ref, { value, duplicates = [] }, validation) {
    if (!isJsonObject(value)) throw badRequest("the body of the request must be one object");
    const binding = decodeObject(BINDING, value, validation, duplicates).object as Binding & KubeObject;
    const name = ref.name === "" ? (binding.metadata.name ?? "") : ref.name;
    if (name === "") throw badRequest("name is required");
    if (binding.metadata.name && binding.metadata.name !== name) {
      throw badRequest("name in URL does not match name in Binding object");
    }
    checkTarget(binding, name);
    const pods = api.resources.expect("", "v1", "pods");
    const target = { definition: pods, namespace: ref.namespace, name, subresource: "binding" };
    await update(api, context, target, (current) => bound(api, current as Pod & KubeObject, binding));
    return { value: { kind: "Status", apiVersion: "v1", metadata: {}, status: "Success", code: 201 } };
  },
};

function checkTarget({ target }: Binding, name: string): void {
  const fault = (field: string, message: string, reason: string): Error =>
    invalid("", "Binding", name, [{ field, message, reason }]);
  if (target.kind && target.kind !== "Node") {
    throw fault(
      "target.kind",
      `Unsupported value: ${JSON.stringify(target.kind)}: supported values: "Node", "<empty>"`,
      "FieldValueNotSupported",
    );
  }
  if (!target.name) throw fault("target.name", "Required value", "FieldValueRequired");
}

function bound(api: Api, current: Pod & KubeObject, binding: Binding & KubeObject): KubeObject {
  const name = current.metadata.name ?? "";
  const about = { group: "", resource: "pods" };
  const why = (text: string): Error => conflict({ group: "", resource: "pods/binding" }, name, text);
  const { uid, resourceVersion } = binding.metadata;
  if (uid && uid !== current.metadata.uid) {
    throw conflict(
      about,
      name,
      `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${current.metadata.uid ?? ""}`,
    );
  }
  if (current.metadata.deletionTimestamp) throw why(`pod ${name} is being deleted, cannot be assigned to a host`);
  if (current.spec?.nodeName)
    throw why(`pod ${name} is already assigned to node ${JSON.stringify(current.spec.nodeName)}`);
  if ((current.spec?.schedulingGates ?? []).length > 0) throw why(`pod ${name} has non-empty .spec.schedulingGates`);
  const pod = copyTree(current);
  if (resourceVersion) pod.metadata.resourceVersion = resourceVersion;
  else delete pod.metadata.resourceVersion;
  pod.metadata.annotations = { ...pod.metadata.annotations, ...binding.metadata.annotations };
  if (Object.keys(pod.metadata.annotations).length === 0) delete pod.metadata.annotations;
  if (binding.metadata.labels) pod.metadata.labels = { ...pod.metadata.labels, ...binding.metadata.labels };
  pod.spec = { containers: [], ...pod.spec, nodeName: binding.target.name ?? "" };
  pod.status = { ...pod.status, conditions: scheduled(pod.status?.conditions ?? [], kubeTime(api.clock.now())) };
  return pod;
}

function scheduled(conditions: readonly PodCondition[], now: string): PodCondition[] {
  const others = conditions.filter((condition) => condition.type !== "PodScheduled");
  return [...others, { type: "PodScheduled", status: "True", lastTransitionTime: now }];
}
