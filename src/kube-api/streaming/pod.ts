import type { KubeObject } from "#formats/kube-object.ts";
import type { Pod, PodSpec } from "#formats/kube-types.generated.ts";
import type { Api } from "../api.ts";
import type { ObjectRef } from "../service.ts";
import { badRequest } from "../status.ts";
import { get } from "../verbs/get.ts";

/** The pod of a streaming request. Throws when no node has it. */
export async function streamedPod(api: Api, { definition, namespace, name }: ObjectRef): Promise<Pod & KubeObject> {
  const { object } = await get(api, definition, namespace, name);
  const pod = object as Pod & KubeObject;
  if (!pod.spec?.nodeName) throw badRequest(`pod ${name} does not have a host assigned`);
  return pod;
}

/** The container that is meant: the one named, or the only one. Throws 400 when that cannot be said. */
export function streamedContainer(pod: Pod & KubeObject, wanted: string | null): string {
  const names = containerNames(pod.spec);
  const pods = pod.metadata.name ?? "";
  if (wanted) {
    if (names.all.includes(wanted)) return wanted;
    throw badRequest(`container ${wanted} is not valid for pod ${pods}`);
  }
  if (names.regular.length === 1 && names.regular[0]) return names.regular[0];
  if (names.regular.length === 0) throw badRequest(`a container name must be specified for pod ${pods}`);
  const init = names.init.length > 0 ? ` or one of the init containers: [${names.init.join(" ")}]` : "";
  throw badRequest(
    `a container name must be specified for pod ${pods}, choose one of: [${names.regular.join(" ")}]${init}`,
  );
}

function containerNames(spec: PodSpec | undefined): { regular: string[]; init: string[]; all: string[] } {
  const namesOf = (list: readonly { name: string }[] | undefined): string[] => (list ?? []).map(({ name }) => name);
  const regular = namesOf(spec?.containers);
  const init = namesOf(spec?.initContainers);
  return {
    regular,
    init,
    all: [...regular, ...init, ...namesOf(spec?.ephemeralContainers as { name: string }[] | undefined)],
  };
}
