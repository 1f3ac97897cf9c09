import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { GantryError } from "#base/errors.ts";
import type { RegistryServing, UpOptions } from "#cli/ports.ts";
import type { RegistryOptions } from "#images/registry-options.ts";
import type { AccessRules } from "#registry/create-registry.ts";
import { parseHtpasswd } from "#registry/htpasswd.ts";
import type { ListenOptions } from "#registry/serve-registry.ts";

/** How registries are spoken to, by the flags of `gantry up`. Throws `invalid` in dockerd's words. */
export function registrySettings(options: UpOptions): RegistryOptions {
  const { registryCerts } = options;
  if (registryCerts !== undefined && !existsSync(registryCerts))
    throw new GantryError("invalid", `--registry-certs ${registryCerts}: there is no such directory`);
  return {
    mirrors: (options.registryMirror ?? []).map(checkMirror),
    insecure: (options.insecureRegistry ?? []).map(checkHost),
    ...(registryCerts !== undefined && { certsDir: registryCerts }),
  };
}

/** Drivers that Docker had, and has no more (docs.docker.com, "Deprecated features"). */
const REMOVED_DRIVERS = ["aufs", "devicemapper", "overlay"];

/** `--storage-driver`; undefined: what fits. Throws `unsupported` by name. */
export function storageDriver(name: string | undefined): "overlay2" | "btrfs" | "vfs" | undefined {
  if (name === undefined || name === "overlay2" || name === "btrfs" || name === "vfs") return name;
  const why = REMOVED_DRIVERS.includes(name) ? "was removed from Docker itself" : "is not supported";
  throw new GantryError("unsupported", `storage driver ${name} ${why}: use overlay2, btrfs or vfs`, { driver: name });
}

/** moby registry.ValidateMirror. */
function checkMirror(text: string): string {
  const invalid = (why: string): GantryError => new GantryError("invalid", `invalid mirror: ${why}`, { mirror: text });
  if (!URL.canParse(text)) throw invalid(`${JSON.stringify(text)} is not a valid URI`);
  const url = new URL(text);
  if (url.protocol !== "http:" && url.protocol !== "https:")
    throw invalid(`unsupported scheme ${JSON.stringify(url.protocol.slice(0, -1))} in ${JSON.stringify(text)}`);
  if (url.username !== "" || url.password !== "") throw invalid("username/password not allowed in URI");
  if (url.pathname !== "/" || url.search !== "" || url.hash !== "")
    throw invalid(`path, query, or fragment at end of the URI ${JSON.stringify(text)}`);
  return url.origin;
}

function checkHost(text: string): string {
  if (/^https?:\/\//.test(text))
    throw new GantryError("invalid", `insecure registry ${text} should not contain '${text.split("//")[0]}//'`);
  if (!/^[\w.:[\]-]+(\/\d{1,3})?$/.test(text)) throw new GantryError("invalid", `invalid insecure registry: ${text}`);
  return text;
}

/** Reads the files that `gantry registry` names. Throws `invalid` for what cannot be read or used. */
export async function listenerOf(
  serving: RegistryServing,
): Promise<{ readonly where: ListenOptions; readonly rules: AccessRules }> {
  const { host, port, tls, htpasswd } = serving;
  return {
    where: {
      host,
      port,
      ...(tls && {
        tls: { cert: await readGiven("--tls-cert", tls.cert), key: await readGiven("--tls-key", tls.key) },
      }),
    },
    rules:
      htpasswd === undefined
        ? {}
        : { authenticate: parseHtpasswd((await readGiven("--htpasswd", htpasswd)).toString("utf8")) },
  };
}

async function readGiven(flag: string, path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    throw new GantryError("invalid", `${flag} ${path}: ${(error as Error).message}`, { path }, error);
  }
}
