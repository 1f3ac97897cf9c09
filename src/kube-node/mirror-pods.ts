import { errorText, isGantryError } from "#base/errors.ts";
import { RESOURCES } from "#formats/kube-resources.ts";
import type { Pod } from "#formats/kube-types.generated.ts";
import { ANNOTATION } from "./pods/labels.ts";
import type { PodWorkers } from "./pods/pod-workers.ts";
import type { NodeDeps } from "./ports.ts";
import { mirrorOf } from "./static-pods.ts";

/** Runs the pods of the manifest folder and keeps their mirrors in the API. */
export interface MirrorPods {
  /** The pods that the folder has now. */
  set(pods: readonly Pod[]): void;
  /** A mirror that the API shows on this node; one whose pod is no more is removed. */
  seen(mirror: Pod): void;
  /** A mirror that was deleted: it is made again while its pod is there. */
  deleted(mirror: Pod): void;
}

export function mirrorPods(deps: NodeDeps, workers: PodWorkers): MirrorPods {
  const { client, config, logger } = deps;
  let pods = new Map<string, Pod>();
  const show = async (pod: Pod): Promise<void> => {
    const node = await client.get(RESOURCES.nodes, undefined, config.name);
    try {
      await client.create(RESOURCES.pods, mirrorOf(pod, { name: config.name, uid: node.metadata.uid ?? "" }));
    } catch (error) {
      if (!isGantryError(error, "already-exists")) throw error;
    }
    workers.get(pod.metadata.uid ?? "")?.mirrored();
  };
  const remove = async ({ metadata }: Pod): Promise<void> => {
    await client.delete(RESOURCES.pods, metadata.namespace, metadata.name ?? "", {
      gracePeriodSeconds: 0,
      ...(metadata.uid === undefined ? {} : { preconditions: { uid: metadata.uid } }),
    });
  };
  const attempt = (what: string, pod: Pod, run: (pod: Pod) => Promise<void>): void => {
    run(pod).catch((error: unknown) => logger.warn({ pod: pod.metadata.name, error: errorText(error) }, what));
  };
  return {
    set(next) {
      const fresh = new Map(next.map((pod) => [pod.metadata.uid ?? "", pod]));
      for (const [uid] of pods) if (!fresh.has(uid)) workers.get(uid)?.withdraw();
      const added = next.filter((pod) => !pods.has(pod.metadata.uid ?? ""));
      pods = fresh;
      for (const pod of added) {
        workers.upsert(pod);
        attempt("mirror pod not made", pod, show);
      }
    },
    seen(mirror) {
      const hash = mirror.metadata.annotations?.[ANNOTATION.configMirror] ?? "";
      if (!pods.has(hash)) attempt("mirror pod of no static pod not removed", mirror, remove);
      else workers.get(hash)?.poke();
    },
    deleted(mirror) {
      const pod = pods.get(mirror.metadata.annotations?.[ANNOTATION.configMirror] ?? "");
      if (pod) attempt("mirror pod not made again", pod, show);
    },
  };
}
