import { existsSync, readdirSync, readFileSync } from "node:fs";
import { BlockList, isIP } from "node:net";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import type { RegistryOptions } from "../registry-options.ts";

/** One address at which a registry may be reached. */
export interface Endpoint {
  /** Without a path: `https://registry-1.docker.io`. */
  readonly origin: URL;
  readonly tls: TlsFiles;
  /** A mirror is only asked for what it has; whatever it says, the registry itself comes next. */
  readonly mirror: boolean;
  /** Makes the connection, in place of the network. */
  readonly connect?: () => Promise<Duplex>;
}

export interface TlsFiles {
  readonly ca?: readonly Buffer[];
  readonly cert?: Buffer;
  readonly key?: Buffer;
  readonly rejectUnauthorized: boolean;
}

const HUB = "registry-1.docker.io";

/** The endpoints of a registry, in the order in which they are tried. Pushes go to no mirror. */
export function endpointsOf(domain: string, options: RegistryOptions, use: "pull" | "push"): readonly Endpoint[] {
  const own = domain === "docker.io" ? secure(HUB, options) : byHost(domain, options);
  if (domain !== "docker.io" || use === "push") return own;
  const mirrors = (options.mirrors ?? []).map((text) => {
    const origin = new URL(text);
    return { origin, tls: readTls(origin.host, options, !isInsecure(origin.host, options)), mirror: true };
  });
  return [...mirrors, ...own];
}

function secure(host: string, options: RegistryOptions): Endpoint[] {
  return [{ origin: new URL(`https://${host}`), tls: readTls(host, options, true), mirror: false }];
}

function byHost(host: string, options: RegistryOptions): Endpoint[] {
  if (!isInsecure(host, options)) return secure(host, options);
  const tls = readTls(host, options, false);
  const { local } = options;
  const connect = local?.serves(host) ? { connect: () => local.connect(host) } : {};
  return [
    { origin: new URL(`https://${host}`), tls, mirror: false },
    { origin: new URL(`http://${host}`), tls, mirror: false, ...connect },
  ];
}

/** True where plain HTTP is allowed. */
export function isInsecure(host: string, options: RegistryOptions): boolean {
  const name = new URL(`http://${host}`).hostname.replace(/^\[|\]$/g, "");
  if (name === "localhost") return true;
  const allowed = options.insecure ?? [];
  if (allowed.includes(host) || allowed.includes(name)) return true;
  const family = isIP(name);
  if (family === 0) return false;
  const networks = new BlockList();
  networks.addSubnet("127.0.0.0", 8, "ipv4");
  networks.addAddress("::1", "ipv6");
  for (const text of allowed) addNetwork(networks, text);
  return networks.check(name, family === 4 ? "ipv4" : "ipv6");
}

function addNetwork(networks: BlockList, text: string): void {
  const [address = "", length] = text.split("/");
  const family = isIP(address);
  if (length !== undefined && family !== 0) networks.addSubnet(address, Number(length), family === 4 ? "ipv4" : "ipv6");
}

/** Certificates of a host, as Docker lays them out: every *.crt is an authority; *.cert and *.key are the client's. */
function readTls(host: string, options: RegistryOptions, verify: boolean): TlsFiles {
  const folder = join(options.certsDir ?? "/etc/docker/certs.d", host);
  if (!/^[\w.:[\]-]+$/.test(host) || !existsSync(folder)) return { rejectUnauthorized: verify };
  const names = readdirSync(folder).sort();
  const read = (name: string | undefined): Buffer | undefined =>
    name === undefined ? undefined : readFileSync(join(folder, name));
  const ca = names.filter((name) => name.endsWith(".crt")).map((name) => readFileSync(join(folder, name)));
  const cert = read(names.find((name) => name.endsWith(".cert")));
  const key = read(names.find((name) => name.endsWith(".key")));
  return {
    rejectUnauthorized: verify,
    ...(ca.length > 0 ? { ca } : {}),
    ...(cert ? { cert } : {}),
    ...(key ? { key } : {}),
  };
}
