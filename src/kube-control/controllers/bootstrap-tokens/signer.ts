import { RESOURCES } from "#formats/kube-resources.ts";
import type { ConfigMap } from "#formats/kube-types.generated.ts";
import { controller, informerOf, type Controller, type ControllerContext } from "../shared/controller.ts";
import { semanticEqual } from "../shared/semantic-equal.ts";
import { isTokenSecret, signedInfo, signingToken, TOKEN_NAMESPACE } from "./tokens.ts";

const INFO_NAMESPACE = "kube-public";
const INFO_NAME = "cluster-info";
const INFO = `${INFO_NAMESPACE}/${INFO_NAME}`;

/** Signs the ConfigMap `cluster-info` with every token that may: a node that knows a token can tell that it is the right cluster's. */
export function bootstrapSigner(context: ControllerContext): Controller {
  const infos = informerOf(context, RESOURCES.configmaps);
  const secrets = informerOf(context, RESOURCES.secrets);
  return controller(context, {
    name: "bootstrap-signer-controller",
    workers: 1,
    async reconcile(key) {
      const info = infos.cache.get(key);
      if (!info) return;
      const tokens = Array.from(secrets.cache.values())
        .flatMap((secret) => signingToken(secret, context.clock.now()) ?? [])
        .toSorted((a, b) => (a.id < b.id ? -1 : 1));
      const signed = signedInfo(info, tokens);
      if (!semanticEqual(info, signed)) await context.client.update(RESOURCES.configmaps, signed);
    },
    allKeys: () => [INFO],
    watch: (queue) => {
      const infoChanged = ({ metadata }: ConfigMap): void => {
        if (metadata.namespace === INFO_NAMESPACE && metadata.name === INFO_NAME) queue.add(INFO);
      };
      const look = (secret: Parameters<typeof isTokenSecret>[0]): void => {
        if (secret.metadata.namespace === TOKEN_NAMESPACE && isTokenSecret(secret)) queue.add(INFO);
      };
      return [
        infos.addHandler({ add: infoChanged, update: (_, after) => infoChanged(after), delete: infoChanged }),
        secrets.addHandler({ add: look, update: (_, after) => look(after), delete: look }),
      ];
    },
  });
}
