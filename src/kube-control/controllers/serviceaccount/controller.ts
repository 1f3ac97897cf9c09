import { isGantryError } from "#base/errors.ts";
import { objectKey } from "#formats/kube-object.ts";
import { RESOURCES } from "#formats/kube-resources.ts";
import { controller, informerOf, type Controller, type ControllerContext } from "../shared/controller.ts";

const DEFAULT = "default";

/** Each active namespace has a service account named `default`. */
export function serviceAccountController(context: ControllerContext): Controller {
  const namespaces = informerOf(context, RESOURCES.namespaces);
  const accounts = informerOf(context, RESOURCES.serviceaccounts);
  return controller(context, {
    name: "serviceaccount-controller",
    async reconcile(key) {
      if (namespaces.cache.get(key)?.status?.phase !== "Active" || accounts.cache.get(`${key}/${DEFAULT}`)) return;
      const metadata = { name: DEFAULT, namespace: key };
      try {
        await context.client.create(RESOURCES.serviceaccounts, { apiVersion: "v1", kind: "ServiceAccount", metadata });
      } catch (error) {
        // Made meanwhile, or its namespace is going away.
        if (!isGantryError(error, "already-exists") && !isGantryError(error, "forbidden")) throw error;
      }
    },
    allKeys: () => Array.from(namespaces.cache.values(), objectKey),
    watch: (queue) => [
      namespaces.addHandler({
        add: (each) => void queue.add(objectKey(each)),
        update: (_, each) => void queue.add(objectKey(each)),
      }),
      accounts.addHandler({
        delete({ metadata }) {
          if (metadata.name === DEFAULT) queue.add(metadata.namespace ?? "");
        },
      }),
    ],
  });
}
