import { createHash } from "node:crypto";
import { watch } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { parse } from "yaml";
import { errorText, GantryError } from "#base/errors.ts";
import type { Logger } from "#base/logger.ts";
import { applyDefaults } from "#formats/kube-defaults.ts";
import type { Pod } from "#formats/kube-types.generated.ts";
import { ANNOTATION } from "./pods/labels.ts";
import { timestamp } from "./pods/status-inputs.ts";

/** The largest manifest that is read, in bytes; and the most files of a folder. */
const MANIFEST_BYTES = 3 * 2 ** 20;
const MOST_FILES = 500;

/** Follows a manifest folder (`staticPodPath` of a KubeletConfiguration): tells of the pods in it at once and after each change. */
export interface StaticPods {
  close(): void;
}

/** `onPods` gets every pod of the folder. A file that cannot be read as a pod is logged and left out. */
export async function followManifests(
  folder: string,
  options: { nodeName: string; logger: Logger; now: () => number; onPods: (pods: readonly Pod[]) => void },
): Promise<StaticPods> {
  const seen = new Map<string, string>();
  let reading: Promise<void> | undefined;
  let again = false;
  const read = async (): Promise<void> => {
    do {
      again = false;
      options.onPods(await readFolder(folder, options, seen));
    } while (again);
    reading = undefined;
  };
  const changed = (): void => {
    if (reading) again = true;
    else reading = read();
  };
  // Watched before the first reading, so that nothing falls in between.
  const watcher = watch(folder, changed);
  changed();
  await reading;
  return { close: () => watcher.close() };
}

async function readFolder(
  folder: string,
  { nodeName, logger, now }: { nodeName: string; logger: Logger; now: () => number },
  seen: Map<string, string>,
): Promise<Pod[]> {
  const names = (await readdir(folder))
    .filter((name) => /\.(ya?ml|json)$/.test(name) && !name.startsWith("."))
    .slice(0, MOST_FILES);
  const pods: Pod[] = [];
  for (const name of names) {
    try {
      const content = await readFile(join(folder, name));
      if (content.length > MANIFEST_BYTES) throw new GantryError("too-large", `larger than ${MANIFEST_BYTES} bytes`);
      const pod = staticPod(content.toString("utf8"), name, nodeName);
      const hash = pod.metadata.uid ?? "";
      const since = seen.get(hash) ?? timestamp(now());
      seen.set(hash, since);
      pod.metadata.annotations = { ...pod.metadata.annotations, [ANNOTATION.configSeen]: since };
      pods.push(pod);
    } catch (error) {
      logger.error({ file: name, error: errorText(error) }, "static pod manifest not taken");
    }
  }
  const present = new Set(pods.map(({ metadata }) => metadata.uid ?? ""));
  for (const hash of seen.keys()) if (!present.has(hash)) seen.delete(hash);
  return pods;
}

/** Pure: the pod of a manifest as this node runs it: the node's name behind its own, a uid made of its content. Throws `invalid`. */
export function staticPod(text: string, file: string, nodeName: string): Pod {
  const pod = parse(text) as Pod | null;
  if (pod === null || typeof pod !== "object" || pod.kind !== "Pod" || pod.apiVersion !== "v1")
    throw new GantryError("invalid", `${file}: a static pod manifest is one v1 Pod`);
  if (!pod.metadata?.name) throw new GantryError("invalid", `${file}: metadata.name: Required value`);
  if (!pod.spec?.containers?.length) throw new GantryError("invalid", `${file}: spec.containers: Required value`);
  const hash = createHash("md5").update(`${nodeName}\0${file}\0${text}`).digest("hex");
  pod.metadata = {
    ...pod.metadata,
    name: `${pod.metadata.name}-${nodeName.toLowerCase()}`,
    namespace: pod.metadata.namespace ?? "default",
    uid: hash,
    annotations: { ...pod.metadata.annotations, [ANNOTATION.configHash]: hash, [ANNOTATION.configSource]: "file" },
  };
  pod.spec = {
    ...pod.spec,
    nodeName,
    tolerations: [...(pod.spec.tolerations ?? []), { operator: "Exists", effect: "NoExecute" }],
  };
  applyDefaults({ group: "", version: "v1", kind: "Pod" }, pod);
  return pod;
}

/** Pure: what the API is shown of a static pod. */
export function mirrorOf(pod: Pod, node: { name: string; uid: string }): Pod {
  const { uid, ...metadata } = pod.metadata;
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      ...metadata,
      annotations: { ...metadata.annotations, [ANNOTATION.configMirror]: uid ?? "" },
      ownerReferences: [{ apiVersion: "v1", kind: "Node", name: node.name, uid: node.uid, controller: true }],
    },
    ...(pod.spec ? { spec: pod.spec } : {}),
  };
}
