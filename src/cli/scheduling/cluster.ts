import { existsSync } from "node:fs";
import type { Places } from "#base/places.ts";
import type { Credentials } from "#kube-client/credentials.ts";
import { httpsClient, type HttpsClient } from "#kube-client/https-client.ts";
import { credentialsOf, kubeconfigPaths, readKubeconfigs } from "#kube-client/kubeconfig-file.ts";

/** A client for the cluster that is meant: by --kubeconfig, by KUBECONFIG, this Gantry's own, or that of ~/.kube/config. */
export async function clusterClient(
  kubeconfig: string | undefined,
  places: Places,
): Promise<{ client: HttpsClient; credentials: Credentials }> {
  const credentials = await credentialsOf(await readKubeconfigs(pathsFor(kubeconfig, places)));
  return { client: httpsClient(credentials), credentials };
}

function pathsFor(kubeconfig: string | undefined, places: Places): string[] {
  if (kubeconfig !== undefined) return [kubeconfig];
  if (process.env["KUBECONFIG"]) return kubeconfigPaths();
  return existsSync(places.kubeconfig) ? [places.kubeconfig] : kubeconfigPaths();
}
