// What a kubelet may write: its own node, and the pods bound to it (k8s.io/kubernetes plugin/pkg/admission/noderestriction).
import type { KubeObject } from "#formats/kube-object.ts";
import type { Node, Pod } from "#formats/kube-types.generated.ts";
import { sameTree } from "#formats/tree.ts";
import { forbidden } from "../../status.ts";
import type { AdmissionPlugin, Attributes } from "../admission.ts";
import type { Reader } from "../reader.ts";

const PREFIX = "system:node:";
const GROUP = "system:nodes";
const MIRROR = "kubernetes.io/config.mirror";

/** Labels of kubernetes.io and k8s.io that a kubelet may give its node. */
const OWN_LABELS = new Set([
  "kubernetes.io/hostname",
  "kubernetes.io/os",
  "kubernetes.io/arch",
  "kubernetes.io/instance-type",
  "beta.kubernetes.io/os",
  "beta.kubernetes.io/arch",
  "beta.kubernetes.io/instance-type",
  "node.kubernetes.io/instance-type",
  "failure-domain.beta.kubernetes.io/region",
  "failure-domain.beta.kubernetes.io/zone",
  "failure-domain.kubernetes.io/region",
  "failure-domain.kubernetes.io/zone",
  "topology.kubernetes.io/region",
  "topology.kubernetes.io/zone",
]);

type Refuse = (why: string) => Error;

export function nodeRestriction(read: Reader): AdmissionPlugin {
  return {
    name: "NodeRestriction",
    async validate(attributes) {
      const node = nodeOf(attributes);
      if (node === undefined) return;
      const { definition, object, name } = attributes;
      const refuse: Refuse = (why) => forbidden(definition, object?.metadata.name ?? name, why);
      const about = definition.group === "" ? definition.resource : `${definition.resource}.${definition.group}`;
      if (about === "pods") await checkPod(attributes, node, refuse, read);
      else if (about === "nodes") checkNode(attributes, node, refuse);
      else if (about === "leases.coordination.k8s.io") checkLease(attributes, node, refuse);
      else if (about === "csinodes.storage.k8s.io") checkOwnName(attributes, node, refuse, "CSINode");
    },
  };
}

/** The node that a request comes from; undefined when it is no node's. */
function nodeOf({ context }: Attributes): string | undefined {
  const { name, groups } = context.user;
  return name.startsWith(PREFIX) && groups.includes(GROUP) ? name.slice(PREFIX.length) : undefined;
}

async function checkPod(
  { operation, subresource, object, old, namespace, name }: Attributes,
  node: string,
  refuse: Refuse,
  read: Reader,
): Promise<void> {
  const pod = (object ?? old) as (Pod & KubeObject) | undefined;
  switch (operation) {
    case "CREATE":
      return checkMirrorPod(pod, node, refuse, await read("nodes", "", node));
    case "UPDATE":
      if (subresource !== "status") throw refuse(`node ${JSON.stringify(node)} can only update pod status`);
      if ((old as Pod | undefined)?.spec?.nodeName !== node)
        throw refuse(
          `node ${JSON.stringify(node)} can only update pod status for pods with spec.nodeName set to itself`,
        );
      if (!sameTree(object?.metadata.labels ?? {}, old?.metadata.labels ?? {}))
        throw refuse(`node ${JSON.stringify(node)} cannot update labels through pod status`);
      return;
    case "DELETE": {
      const stored = ((await read("pods", namespace, name)) as Pod | undefined)?.spec?.nodeName;
      if (stored !== node)
        throw refuse(`node ${JSON.stringify(node)} can only delete pods with spec.nodeName set to itself`);
      return;
    }
    default:
      return;
  }
}

/** A node makes no pods but the mirrors of its static ones, which reach nothing of the API's. */
function checkMirrorPod(
  pod: (Pod & KubeObject) | undefined,
  node: string,
  refuse: Refuse,
  own: KubeObject | undefined,
): void {
  if (pod?.metadata.annotations?.[MIRROR] === undefined)
    throw refuse(
      `pod does not have ${JSON.stringify(MIRROR)} annotation, node ${JSON.stringify(node)} can only create mirror pods`,
    );
  if (pod.spec?.nodeName !== node)
    throw refuse(`node ${JSON.stringify(node)} can only create pods with spec.nodeName set to itself`);
  const owners = pod.metadata.ownerReferences ?? [];
  const [owner] = owners;
  if (owners.length !== 1 || owner?.apiVersion !== "v1" || owner.kind !== "Node" || owner.name !== node) {
    throw refuse(`node ${JSON.stringify(node)} can only create pods with an owner reference set to itself`);
  }
  if (owner.blockOwnerDeletion)
    throw refuse(`node ${JSON.stringify(node)} must not set blockOwnerDeletion on an owner reference`);
  if (own && owner.uid !== own.metadata.uid)
    throw refuse(`node ${JSON.stringify(node)} UID mismatch: expected ${own.metadata.uid} got ${owner.uid}`);
  if (pod.spec.serviceAccountName)
    throw refuse(`node ${JSON.stringify(node)} can not create pods that reference a service account`);
  if ((pod.spec.resourceClaims ?? []).length > 0)
    throw refuse(`node ${JSON.stringify(node)} can not create pods that reference resource claims`);
  const reaching = (pod.spec.volumes ?? []).find(
    ({ secret, configMap, persistentVolumeClaim }) => secret ?? configMap ?? persistentVolumeClaim,
  );
  if (reaching)
    throw refuse(
      `node ${JSON.stringify(node)} can not create pods that reference secrets, configmaps or persistentvolumeclaims`,
    );
}

function checkNode({ operation, name, object, old }: Attributes, node: string, refuse: Refuse): void {
  const target = name === "" ? (object?.metadata.name ?? "") : name;
  if (target !== node)
    throw refuse(`node ${JSON.stringify(node)} is not allowed to modify node ${JSON.stringify(target)}`);
  if (operation === "DELETE") throw refuse(`node ${JSON.stringify(node)} cannot delete its own node`);
  const labels = changedLabels(object, old).filter(isForeign);
  if (labels.length > 0) throw refuse(`is not allowed to modify labels: ${labels.join(", ")}`);
  if (operation !== "UPDATE") return;
  const taints = (one: KubeObject | undefined): unknown => (one as Node | undefined)?.spec?.taints ?? [];
  if (!sameTree(taints(object), taints(old)))
    throw refuse(`node ${JSON.stringify(node)} is not allowed to modify taints`);
  // An owner that vanishes takes the node along: that would be deleting it (CVE-2025-5187).
  if (!sameTree(object?.metadata.ownerReferences ?? [], old?.metadata.ownerReferences ?? []))
    throw refuse(`node ${JSON.stringify(node)} is not allowed to modify ownerReferences`);
  const source = (one: KubeObject | undefined): unknown =>
    (one as { spec?: { configSource?: unknown } } | undefined)?.spec?.configSource;
  if (!sameTree(source(object), source(old)))
    throw refuse(`node ${JSON.stringify(node)} is not allowed to update configSource`);
}

function changedLabels(object: KubeObject | undefined, old: KubeObject | undefined): string[] {
  const next = object?.metadata.labels ?? {};
  const before = old?.metadata.labels ?? {};
  return Array.from(new Set([...Object.keys(next), ...Object.keys(before)])).filter((key) => next[key] !== before[key]);
}

/** A label of Kubernetes' own domains that is not a node's to give. */
function isForeign(key: string): boolean {
  const [domain = ""] = key.includes("/") ? key.split("/") : [""];
  const kubernetes =
    domain === "kubernetes.io" ||
    domain.endsWith(".kubernetes.io") ||
    domain === "k8s.io" ||
    domain.endsWith(".k8s.io");
  if (!kubernetes || OWN_LABELS.has(key)) return false;
  if (domain === "node-restriction.kubernetes.io" || domain.endsWith(".node-restriction.kubernetes.io")) return true;
  return (
    domain !== "kubelet.kubernetes.io" &&
    domain !== "node.kubernetes.io" &&
    !domain.endsWith(".kubelet.kubernetes.io") &&
    !domain.endsWith(".node.kubernetes.io")
  );
}

function checkLease(attributes: Attributes, node: string, refuse: Refuse): void {
  if (attributes.namespace !== "kube-node-lease")
    throw refuse('can only access leases in the "kube-node-lease" system namespace');
  checkOwnName(attributes, node, refuse, "lease");
}

function checkOwnName({ name, object }: Attributes, node: string, refuse: Refuse, what: string): void {
  const target = name === "" ? (object?.metadata.name ?? "") : name;
  if (target !== node) throw refuse(`can only access node ${what} with the same name as the requesting node`);
}
