import type { PodInfo } from "../cluster/pod-info.ts";
import type { BindPlugin } from "../framework/plugin.ts";

/** Puts a pod on a node by the API: POST pods/NAME/binding. */
export type BindPod = (pod: PodInfo, nodeName: string) => Promise<void>;

/** Binds every pod that no plugin before it has bound. */
export function defaultBinderPlugin(bindPod: BindPod): BindPlugin {
  return {
    name: "DefaultBinder",
    async bind(pod, nodeName) {
      await bindPod(pod, nodeName);
      return true;
    },
  };
}
