import { objectKey } from "#formats/kube-object.ts";
import type { Node, Pod } from "#formats/kube-types.generated.ts";
import type { NamespaceTable } from "../../cluster/namespaces.ts";
import type { PodInfo } from "../../cluster/pod-info.ts";
import type { EventInterest } from "../../framework/plugin.ts";
import { podTerms, type Term } from "./terms.ts";

/** What may let a pod fit that affinity turned away, and the hints that spare it the tries that cannot help. */
export function affinityEvents(namespaces: NamespaceTable): readonly EventInterest[] {
  const selects = (terms: readonly Term[], pod: Pod | undefined): boolean =>
    pod !== undefined && terms.some((term) => term.matches(pod.metadata.namespace ?? "", pod.metadata.labels));
  const repels = (placed: Pod | undefined, { namespace, pod }: PodInfo): boolean =>
    placed !== undefined &&
    podTerms(placed, namespaces).antiAffinity.some((term) => term.matches(namespace, pod.metadata.labels));
  return [
    {
      resource: "AssignedPod",
      actions: ["Add", "Delete", "UpdatePodLabel"],
      helps(info, { before, after }) {
        const { affinity, antiAffinity } = podTerms(info.pod, namespaces);
        // One that comes may be the one looked for; one that goes may be the one that was in the way.
        if (selects(affinity, after as Pod | undefined) !== selects(affinity, before as Pod | undefined)) return true;
        if (!selects(antiAffinity, after as Pod | undefined) && selects(antiAffinity, before as Pod | undefined)) {
          return true;
        }
        return repels(before as Pod | undefined, info) && (after === undefined || !repels(after as Pod, info));
      },
    },
    { resource: "TargetPod", actions: ["UpdatePodLabel"] },
    {
      resource: "Node",
      actions: ["Add", "UpdateNodeLabel"],
      helps(info, { before, after }) {
        const { affinity, antiAffinity } = podTerms(info.pod, namespaces);
        const value = (node: object | undefined, key: string): string | undefined =>
          (node as Node | undefined)?.metadata.labels?.[key];
        const terms = [...affinity, ...antiAffinity];
        // Others' terms turned it away: any node may be one that they do not reach.
        if (terms.length === 0) return before === undefined || objectKey(before) !== "";
        return terms.some(({ topologyKey }) => value(before, topologyKey) !== value(after, topologyKey));
      },
    },
  ];
}
