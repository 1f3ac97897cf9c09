import { objectKey } from "#formats/kube-object.ts";
import { RESOURCES } from "#formats/kube-resources.ts";
import { controller, enqueueFrom, informerOf, type Controller, type ControllerContext } from "../shared/controller.ts";
import { isTokenSecret, tokenEndMs } from "./tokens.ts";

/** Removes bootstrap tokens when their time has come. */
export function tokenCleaner(context: ControllerContext): Controller {
  const secrets = informerOf(context, RESOURCES.secrets);
  const tokens = (): string[] => Array.from(secrets.cache.values()).filter(isTokenSecret).map(objectKey);
  return controller(context, {
    name: "token-cleaner-controller",
    async reconcile(key) {
      const secret = secrets.cache.get(key);
      const endMs = secret && isTokenSecret(secret) ? tokenEndMs(secret) : undefined;
      if (!secret || endMs === undefined) return undefined;
      const waitMs = endMs - context.clock.now();
      if (waitMs > 0) return { requeueAfterMs: waitMs };
      const { namespace, name = "", uid } = secret.metadata;
      const preconditions = uid === undefined ? {} : { preconditions: { uid } };
      await context.client.delete(RESOURCES.secrets, namespace, name, preconditions);
      return undefined;
    },
    allKeys: tokens,
    watch: (queue) => [enqueueFrom(secrets, queue, (secret) => (isTokenSecret(secret) ? [objectKey(secret)] : []))],
  });
}
