import { randomUUID } from "node:crypto";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { delimiter, dirname, join, resolve } from "node:path";
import { GantryError } from "#base/errors.ts";
import type { Credentials } from "./credentials.ts";
import {
  mergeKubeconfigs,
  parseKubeconfig,
  putContext,
  type ClusterEntry,
  type ContextToWrite,
  type Kubeconfig,
  type UserEntry,
} from "./kubeconfig.ts";

/** The files that `KUBECONFIG` names, or `~/.kube/config`. */
export function kubeconfigPaths(environment: NodeJS.ProcessEnv = process.env): string[] {
  const paths = (environment["KUBECONFIG"] ?? "").split(delimiter).filter((path) => path !== "");
  return paths.length > 0 ? paths : [join(homedir(), ".kube", "config")];
}

/** Reads and merges kubeconfigs; missing files count as empty. File names in them become absolute. */
export async function readKubeconfigs(paths: readonly string[]): Promise<Kubeconfig> {
  const configs: Kubeconfig[] = [];
  for (const path of paths) {
    const text = await readIfThere(path);
    if (text !== undefined) configs.push(withAbsolutePaths(parseKubeconfig(text), dirname(resolve(path))));
  }
  return mergeKubeconfigs(configs);
}

/**
 * What a client needs for a context (the current one by default). Throws `invalid` for a context, cluster or user that is not there,
 * and `unsupported` for ways to log in that Gantry does not have.
 */
export async function credentialsOf(config: Kubeconfig, contextName = config.currentContext): Promise<Credentials> {
  if (contextName === undefined) throw new GantryError("invalid", "kubeconfig: no current context is set");
  const context = config.contexts.get(contextName);
  if (!context) throw new GantryError("invalid", `kubeconfig: context "${contextName}" does not exist`);
  const cluster = config.clusters.get(context.cluster);
  if (!cluster) throw new GantryError("invalid", `kubeconfig: cluster "${context.cluster}" does not exist`);
  const user = config.users.get(context.user);
  if (!user && context.user !== "") {
    throw new GantryError("invalid", `kubeconfig: user "${context.user}" does not exist`);
  }
  if (user?.unsupported) {
    throw new GantryError("unsupported", `kubeconfig: user "${context.user}": ${user.unsupported} is not supported`);
  }
  return {
    server: cluster.server,
    ca: await material(cluster.certificateAuthorityData, cluster.certificateAuthority),
    insecure: cluster.insecureSkipTlsVerify ?? false,
    serverName: cluster.tlsServerName,
    ...(user ? await userCredentials(user) : {}),
    namespace: context.namespace,
  };
}

/** Puts a context into a kubeconfig file (made when missing, mode 0600), by writing a new file and renaming it. */
export async function writeContext(path: string, context: ContextToWrite): Promise<void> {
  const text = putContext(await readIfThere(path), context);
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const temporary = `${path}.${randomUUID()}`;
  await writeFile(temporary, text, { mode: 0o600, flag: "wx" });
  await rename(temporary, path);
}

async function userCredentials(user: UserEntry): Promise<Partial<Credentials>> {
  const cert = await material(user.clientCertificateData, user.clientCertificate);
  const key = await material(user.clientKeyData, user.clientKey);
  if ((cert === undefined) !== (key === undefined)) {
    throw new GantryError("invalid", "kubeconfig: a client certificate and its key go together");
  }
  return { cert, key, token: user.token, tokenFile: user.token === undefined ? user.tokenFile : undefined };
}

async function material(data: string | undefined, path: string | undefined): Promise<string | undefined> {
  if (data !== undefined) return Buffer.from(data, "base64").toString("utf8");
  if (path === undefined) return undefined;
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    throw new GantryError("invalid", `kubeconfig: cannot read ${path}`, {}, error);
  }
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new GantryError("invalid", `kubeconfig: cannot read ${path}`, {}, error);
  }
}

function withAbsolutePaths(config: Kubeconfig, folder: string): Kubeconfig {
  const absolute = (path: string | undefined): string | undefined =>
    path === undefined ? undefined : resolve(folder, path);
  const clusters = Array.from(config.clusters, ([name, entry]): [string, ClusterEntry] => [
    name,
    { ...entry, certificateAuthority: absolute(entry.certificateAuthority) },
  ]);
  const users = Array.from(config.users, ([name, entry]): [string, UserEntry] => [
    name,
    {
      ...entry,
      clientCertificate: absolute(entry.clientCertificate),
      clientKey: absolute(entry.clientKey),
      tokenFile: absolute(entry.tokenFile),
    },
  ]);
  return { ...config, clusters: new Map(clusters), users: new Map(users) };
}
