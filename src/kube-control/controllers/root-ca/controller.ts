import { isGantryError } from "#base/errors.ts";
import { objectKey } from "#formats/kube-object.ts";
import { RESOURCES } from "#formats/kube-resources.ts";
import type { ConfigMap } from "#formats/kube-types.generated.ts";
import { controller, informerOf, type Controller, type ControllerContext } from "../shared/controller.ts";

const NAME = "kube-root-ca.crt";
const DESCRIPTION = "kubernetes.io/description";
const TEXT =
  "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters.";

/** Each active namespace has the API server's certificate authority in a ConfigMap, for pods to mount. `rootCa` is PEM text. */
export function rootCaController(context: ControllerContext, rootCa: string): Controller {
  const namespaces = informerOf(context, RESOURCES.namespaces);
  const configMaps = informerOf(context, RESOURCES.configmaps);
  return controller(context, {
    name: "root-ca-certificate-publisher-controller",
    async reconcile(key) {
      if (namespaces.cache.get(key)?.status?.phase !== "Active") return;
      const present = configMaps.cache.get(`${key}/${NAME}`);
      if (present?.data?.["ca.crt"] === rootCa && Object.keys(present.data).length === 1) return;
      const annotations = { ...present?.metadata.annotations, [DESCRIPTION]: TEXT };
      const wanted: ConfigMap = {
        apiVersion: "v1",
        kind: "ConfigMap",
        metadata: { ...present?.metadata, name: NAME, namespace: key, annotations },
        data: { "ca.crt": rootCa },
      };
      try {
        await (present
          ? context.client.update(RESOURCES.configmaps, wanted)
          : context.client.create(RESOURCES.configmaps, wanted));
      } catch (error) {
        if (!isGantryError(error, "already-exists") && !isGantryError(error, "forbidden")) throw error;
      }
    },
    allKeys: () => Array.from(namespaces.cache.values(), objectKey),
    watch: (queue) => {
      const see = ({ metadata }: ConfigMap): void => {
        if (metadata.name === NAME) queue.add(metadata.namespace ?? "");
      };
      return [
        namespaces.addHandler({
          add: (each) => void queue.add(objectKey(each)),
          update: (_, each) => void queue.add(objectKey(each)),
        }),
        configMaps.addHandler({ update: (_, after) => see(after), delete: see }),
      ];
    },
  });
}
