import { parse, parseDocument } from "yaml";
import { GantryError } from "#base/errors.ts";

/** A kubeconfig file (client.authentication.k8s.io, kind Config v1), as far as it says how to reach a cluster. */
export interface Kubeconfig {
  readonly clusters: ReadonlyMap<string, ClusterEntry>;
  readonly users: ReadonlyMap<string, UserEntry>;
  readonly contexts: ReadonlyMap<string, ContextEntry>;
  readonly currentContext: string | undefined;
}

export interface ClusterEntry {
  readonly server: string;
  readonly certificateAuthorityData?: string;
  /** A file, absolute or relative to the kubeconfig's folder. */
  readonly certificateAuthority?: string;
  readonly insecureSkipTlsVerify?: boolean;
  readonly tlsServerName?: string;
}

export interface UserEntry {
  readonly clientCertificateData?: string;
  readonly clientCertificate?: string;
  readonly clientKeyData?: string;
  readonly clientKey?: string;
  readonly token?: string;
  readonly tokenFile?: string;
  /** Ways to log in that Gantry does not have, by their field's name. */
  readonly unsupported?: string;
}

export interface ContextEntry {
  readonly cluster: string;
  readonly user: string;
  readonly namespace?: string;
}

const UNSUPPORTED_USER_FIELDS = ["exec", "auth-provider", "username", "as", "as-groups", "as-uid", "as-user-extra"];

/** Reads a kubeconfig's text. Throws `invalid` naming what is wrong. */
export function parseKubeconfig(text: string): Kubeconfig {
  let document: unknown;
  try {
    document = parse(text);
  } catch (error) {
    throw new GantryError("invalid", "kubeconfig: not YAML", {}, error);
  }
  const config = record(document ?? {}, "kubeconfig");
  return {
    clusters: named(config, "clusters", "cluster", clusterEntry),
    users: named(config, "users", "user", userEntry),
    contexts: named(config, "contexts", "context", contextEntry),
    currentContext: string(config["current-context"]),
  };
}

/** Several kubeconfigs as one, as for `KUBECONFIG=a:b`: of entries with one name, and of current contexts, the first holds. */
export function mergeKubeconfigs(configs: readonly Kubeconfig[]): Kubeconfig {
  const first = <V>(pick: (config: Kubeconfig) => ReadonlyMap<string, V>): Map<string, V> =>
    new Map(configs.toReversed().flatMap((config) => Array.from(pick(config))));
  return {
    clusters: first((config) => config.clusters),
    users: first((config) => config.users),
    contexts: first((config) => config.contexts),
    currentContext: configs.find((config) => config.currentContext)?.currentContext,
  };
}

/** One context to write: names and entries of its cluster and user. */
export interface ContextToWrite {
  readonly name: string;
  readonly cluster: ClusterEntry;
  readonly user: UserEntry;
  readonly namespace?: string;
  /** Make it the current context even when another one is. */
  readonly current?: boolean;
}

/**
 * The text of a kubeconfig (undefined: a new one) with a context, a cluster and a user, all of the context's name, put in or replaced.
 * Everything else in it, comments too, stays.
 */
export function putContext(text: string | undefined, context: ContextToWrite): string {
  const document = parseDocument(text?.trim() ? text : "apiVersion: v1\nkind: Config\n");
  if (document.errors[0]) throw new GantryError("invalid", "kubeconfig: not YAML", {}, document.errors[0]);
  const { name, cluster, user, namespace } = context;
  const put = (list: string, entry: object): void => {
    const items: unknown = document.toJS()[list];
    const index = Array.isArray(items) ? items.findIndex((item) => record(item, list)["name"] === name) : 0;
    if (!Array.isArray(items)) document.set(list, document.createNode([entry]));
    else if (index < 0) document.addIn([list], document.createNode(entry));
    else document.setIn([list, index], document.createNode(entry));
  };
  put("clusters", { name, cluster: kebab(cluster) });
  put("users", { name, user: kebab(user) });
  put("contexts", { name, context: { cluster: name, user: name, ...(namespace === undefined ? {} : { namespace }) } });
  if (context.current || !document.get("current-context")) document.set("current-context", name);
  return document.toString({ lineWidth: 0 });
}

/** The text of a kubeconfig without a context and its cluster and user of the same name. */
export function removeContext(text: string, name: string): string {
  const document = parseDocument(text);
  for (const list of ["clusters", "users", "contexts"]) {
    const items: unknown = (document.toJS() as Record<string, unknown> | null)?.[list];
    const index = Array.isArray(items) ? items.findIndex((item) => record(item, list)["name"] === name) : -1;
    if (index >= 0) document.deleteIn([list, index]);
  }
  if (document.get("current-context") === name) document.set("current-context", "");
  return document.toString({ lineWidth: 0 });
}

function clusterEntry(value: Fields, where: string): ClusterEntry {
  const server = string(value["server"]);
  if (!server) throw new GantryError("invalid", `kubeconfig: ${where}: server is missing`);
  if (value["proxy-url"]) throw new GantryError("unsupported", `kubeconfig: ${where}: proxy-url is not supported`);
  return {
    server,
    certificateAuthorityData: string(value["certificate-authority-data"]),
    certificateAuthority: string(value["certificate-authority"]),
    insecureSkipTlsVerify: value["insecure-skip-tls-verify"] === true,
    tlsServerName: string(value["tls-server-name"]),
  };
}

function userEntry(value: Fields): UserEntry {
  return {
    clientCertificateData: string(value["client-certificate-data"]),
    clientCertificate: string(value["client-certificate"]),
    clientKeyData: string(value["client-key-data"]),
    clientKey: string(value["client-key"]),
    token: string(value["token"]),
    tokenFile: string(value["tokenFile"]),
    unsupported: UNSUPPORTED_USER_FIELDS.find((field) => value[field]),
  };
}

function contextEntry(value: Fields, where: string): ContextEntry {
  const cluster = string(value["cluster"]);
  if (!cluster) throw new GantryError("invalid", `kubeconfig: ${where}: cluster is missing`);
  return { cluster, user: string(value["user"]) ?? "", namespace: string(value["namespace"]) };
}

type Fields = Readonly<Record<string, unknown>>;

function named<V>(
  config: Fields,
  list: string,
  field: string,
  read: (value: Fields, where: string) => V,
): Map<string, V> {
  const items = config[list] ?? [];
  if (!Array.isArray(items)) throw new GantryError("invalid", `kubeconfig: ${list} is not a list`);
  const out = new Map<string, V>();
  for (const item of items) {
    const entry = record(item, list);
    const name = string(entry["name"]);
    if (!name) throw new GantryError("invalid", `kubeconfig: an entry of ${list} has no name`);
    if (!out.has(name)) out.set(name, read(record(entry[field] ?? {}, `${field} "${name}"`), `${field} "${name}"`));
  }
  return out;
}

function record(value: unknown, where: string): Fields {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Fields;
  throw new GantryError("invalid", `kubeconfig: ${where} is not a mapping`);
}

function string(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

/** camelCase names as the file has them; `tokenFile` is written so there, too. */
function kebab(entry: ClusterEntry | UserEntry): object {
  const spell = (name: string): string =>
    name === "tokenFile" ? name : name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  return Object.fromEntries(
    Object.entries(entry)
      .filter(([name, value]) => value !== undefined && value !== false && name !== "unsupported")
      .map(([name, value]) => [spell(name), value]),
  );
}
