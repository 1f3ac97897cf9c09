import { generateKeyPairSync, X509Certificate } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { systemClock, type Clock } from "#base/clock.ts";
import { createAuthority, issue, type CertificateRequest, type KeyPair } from "./certificates/x509.ts";

export type { KeyPair };

/** What a cluster's identities rest on. */
export interface ClusterCertificates {
  /** The cluster's authority, as PEM text: who trusts it trusts the API server. */
  readonly caCert: string;
  readonly server: KeyPair;
  /** Signs service account tokens (ES256). PEM, PKCS 8. */
  readonly serviceAccountKey: string;
  /** A client certificate for a user and its groups. */
  client(user: string, groups?: readonly string[]): KeyPair;
  /** A certificate that a component serves with, under these names and addresses. */
  serving(user: string, groups: readonly string[], names: readonly string[]): KeyPair;
  /** The authority itself, for signing certificate requests. */
  readonly authority: KeyPair;
}

export interface CertificateOptions {
  /** Where they are kept (0700, files 0600); undefined: in memory only. */
  readonly directory?: string;
  /** DNS names and addresses of the API server, besides localhost and the cluster's own names. */
  readonly names: readonly string[];
  /** `cluster.local` */
  readonly clusterDomain?: string;
  readonly clock?: Clock;
}

const DAY_MS = 86_400_000;
const AUTHORITY_DAYS = 3650;
const LEAF_DAYS = 365;
const RENEW_BEFORE_DAYS = 60;

/** Loads the cluster's certificates, or makes them. The server's is made anew when its names change or its end is near. */
export function clusterCertificates(options: CertificateOptions): ClusterCertificates {
  const clock = options.clock ?? systemClock;
  const kept = keeper(options.directory);
  const span = (days: number) => ({ notBeforeMs: clock.now() - DAY_MS, notAfterMs: clock.now() + days * DAY_MS });
  const authority = kept("ca", () =>
    createAuthority({ commonName: "kubernetes", usage: "ca", ...span(AUTHORITY_DAYS) }),
  );
  const leaf = (request: Omit<CertificateRequest, "notBeforeMs" | "notAfterMs">): KeyPair =>
    issue(authority, { ...request, ...span(LEAF_DAYS) });
  const names = serverNames(options);
  const isCurrent = (pair: KeyPair, label: string): boolean =>
    label === names.join(",") && endsAfter(pair, clock.now());
  const server = kept(
    "apiserver",
    () => leaf({ commonName: "kube-apiserver", usage: "server", names }),
    names.join(","),
    isCurrent,
  );
  const serviceAccountKey = kept("sa", () => ({ cert: "", key: newSigningKey() })).key;
  return {
    caCert: authority.cert,
    server,
    serviceAccountKey,
    authority,
    serving: (user, groups, names) => leaf({ commonName: user, organizations: groups, usage: "server", names }),
    client: (user, groups = []) => leaf({ commonName: user, organizations: groups, usage: "client" }),
  };
}

function serverNames({ names, clusterDomain = "cluster.local" }: CertificateOptions): string[] {
  const service = [
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    `kubernetes.default.svc.${clusterDomain}`,
  ];
  return Array.from(new Set(["localhost", "127.0.0.1", "::1", ...service, ...names]));
}

function newSigningKey(): string {
  return generateKeyPairSync("ec", { namedCurve: "P-256" })
    .privateKey.export({ type: "pkcs8", format: "pem" })
    .toString();
}

function endsAfter({ cert }: KeyPair, nowMs: number): boolean {
  return new X509Certificate(cert).validToDate.getTime() > nowMs + RENEW_BEFORE_DAYS * DAY_MS;
}

interface Kept extends KeyPair {
  /** What it was made for: made anew when that changes. */
  readonly label: string;
}

type Keeper = (
  name: string,
  make: () => KeyPair,
  label?: string,
  isCurrent?: (pair: KeyPair, label: string) => boolean,
) => KeyPair;

/** Reads `name.json` or makes it; written beside and renamed, so that a file is whole or absent. */
function keeper(directory: string | undefined): Keeper {
  if (directory === undefined) return (_name, make) => make();
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  return (name, make, label = "", isCurrent = () => true) => {
    const path = join(directory, `${name}.json`);
    const known = read(path);
    if (known && isCurrent(known, known.label)) return known;
    const made: Kept = { ...make(), label };
    writeFileSync(`${path}.new`, JSON.stringify(made), { mode: 0o600 });
    renameSync(`${path}.new`, path);
    return made;
  };
}

function read(path: string): Kept | undefined {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as Kept;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}
