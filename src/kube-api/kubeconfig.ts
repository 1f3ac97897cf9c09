import { stringify } from "yaml";
import type { KeyPair } from "./certificates.ts";

export interface KubeconfigOptions {
  /** `https://127.0.0.1:6443` */
  readonly server: string;
  readonly caCert: string;
  /** How the user proves who it is. */
  readonly credentials: KeyPair | { readonly token: string };
  /** The name of context, cluster and user. */
  readonly name?: string;
  readonly namespace?: string;
}

/** The text of a kubeconfig file with one context. */
export function kubeconfigText({ server, caCert, credentials, name = "gantry", namespace }: KubeconfigOptions): string {
  const base64 = (text: string): string => Buffer.from(text).toString("base64");
  const user =
    "token" in credentials
      ? { token: credentials.token }
      : { "client-certificate-data": base64(credentials.cert), "client-key-data": base64(credentials.key) };
  return stringify(
    {
      apiVersion: "v1",
      kind: "Config",
      clusters: [{ name, cluster: { server, "certificate-authority-data": base64(caCert) } }],
      users: [{ name, user }],
      contexts: [{ name, context: { cluster: name, user: name, ...(namespace === undefined ? {} : { namespace }) } }],
      "current-context": name,
      preferences: {},
    },
    { lineWidth: 0 },
  );
}
