import { readFileSync, writeFileSync } from "node:fs";
import type { Endpoint } from "#network/networks.ts";
import { hostResolvConf, parseResolvConf } from "#network/resolv-conf.ts";
import type { ContainerConfig } from "../engine.ts";
import { extraEntry, hostsText, ownNames, resolvConfText, type HostsEntry } from "../spec/name-files.ts";
import type { EngineContext } from "./context.ts";
import type { Entry } from "./entry.ts";
import { linkEntries, linkersOf } from "./links.ts";

export interface NameFiles {
  readonly hosts?: string;
  readonly hostname?: string;
  readonly resolvConf?: string;
}

type Context = Pick<EngineContext, "places" | "networks" | "registry">;

/**
 * Where the container's name files lie: given by its client (pods), those of the container whose network it shares, or its own, which are
 * written anew for each start. A sandbox has them for those that share its network.
 */
export function prepareNameFiles(context: Context, entry: Entry): NameFiles {
  const { config } = entry.record;
  const { network } = config.namespaces;
  if (network.kind === "container" && !config.hostFiles)
    return nameFilesOf(context, context.registry.entry(network.id));
  if (!config.hostFiles) writeOwnFiles(context, entry);
  return config.imageId === undefined ? {} : nameFilesOf(context, entry);
}

function nameFilesOf(context: Context, { id, record }: Entry): NameFiles {
  const { hostFiles, namespaces } = record.config;
  if (hostFiles) {
    const { hosts, hostname, resolvConf } = hostFiles;
    return { ...(hosts && { hosts }), ...(hostname && { hostname }), ...(resolvConf && { resolvConf }) };
  }
  if (namespaces.network.kind === "container")
    return nameFilesOf(context, context.registry.entry(namespaces.network.id));
  const { nameFile } = context.places;
  return { hosts: nameFile(id, "hosts"), hostname: nameFile(id, "hostname"), resolvConf: nameFile(id, "resolv.conf") };
}

/** Brings the container's own files up to its networks: in place, because they are bound into it. */
export function updateNameFiles(context: Context, entry: Entry): void {
  const { config } = entry.record;
  const shared = config.hostFiles !== undefined || config.namespaces.network.kind === "container";
  if (!shared) writeOwnFiles(context, entry);
}

/** After a start: its own files, and those of containers that link to it. */
export function updateLinkedNameFiles(context: Context, entry: Entry): void {
  updateNameFiles(context, entry);
  for (const linker of linkersOf(context, entry)) updateNameFiles(context, linker);
}

function writeOwnFiles(context: Context, entry: Entry): void {
  const { places, networks } = context;
  const { id, record, endpoints } = entry;
  const { config } = record;
  const onHost = config.namespaces.network.kind === "host";
  const names = ownNames(config.hostname, config.domainname);
  const entries = [
    ...(config.extraHosts ?? []).map((text) => extraEntry(text)),
    ...linkEntries(context, entry),
    ...endpoints.flatMap((endpoint) => addressEntries(endpoint, names)),
  ];
  writeFileSync(places.nameFile(id, "hosts"), hostsText(onHost ? readHostFile("/etc/hosts") : undefined, entries));
  writeFileSync(places.nameFile(id, "hostname"), `${config.hostname}\n`);
  const mode = onHost ? "host" : usesNameServer(config, networks) ? "internal" : "legacy";
  const host = onHost ? parseResolvConf(readHostFile("/etc/resolv.conf")) : hostResolvConf();
  const given = config.dns && { ...config.dns, nameservers: config.dns.servers };
  writeFileSync(places.nameFile(id, "resolv.conf"), resolvConfText(host, given, mode));
}

function addressEntries({ ipv4, ipv6 }: Endpoint, names: string): HostsEntry[] {
  return [ipv4, ipv6].filter((address) => address !== "").map((address) => ({ address, names }));
}

/** The default bridge has no name server of its own, as with Docker. */
function usesNameServer(config: ContainerConfig, networks: EngineContext["networks"]): boolean {
  return (
    config.namespaces.network.kind === "new" &&
    config.networks.some(({ network }) => networks.find(network)?.name !== "bridge")
  );
}

function readHostFile(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return "";
    throw error;
  }
}
