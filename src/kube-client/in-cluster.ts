import { readFile } from "node:fs/promises";
import { GantryError } from "#base/errors.ts";
import type { Credentials } from "./credentials.ts";

/** Where a pod finds its service account. */
const FOLDER = "/var/run/secrets/kubernetes.io/serviceaccount";

/** What a client in a pod needs: the API's service, and the pod's service account. Throws `unavailable` outside of pods. */
export async function inClusterCredentials(environment: NodeJS.ProcessEnv = process.env): Promise<Credentials> {
  const host = environment["KUBERNETES_SERVICE_HOST"];
  const port = environment["KUBERNETES_SERVICE_PORT"];
  if (!host || !port) {
    throw new GantryError(
      "unavailable",
      "no kubeconfig was given, and this is no pod: there is no cluster to speak to",
    );
  }
  try {
    const [ca, namespace] = await Promise.all(
      ["ca.crt", "namespace"].map((file) => readFile(`${FOLDER}/${file}`, "utf8")),
    );
    const address = host.includes(":") ? `[${host}]` : host;
    return { server: `https://${address}:${port}`, ca, tokenFile: `${FOLDER}/token`, namespace: namespace?.trim() };
  } catch (error) {
    throw new GantryError("unavailable", `the pod has no service account: cannot read ${FOLDER}`, {}, error);
  }
}
