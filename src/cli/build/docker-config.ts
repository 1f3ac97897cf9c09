import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { GantryError } from "#base/errors.ts";

/** As in X-Registry-Config (api/types/registry.AuthConfig). */
interface Credentials {
  readonly username?: string;
  readonly password?: string;
  readonly identitytoken?: string;
}

/** What of docker's config.json says who one is (docker/cli, cli/config/configfile). */
interface DockerConfig {
  readonly auths?: Readonly<Record<string, { readonly auth?: string; readonly identitytoken?: string }>>;
  /** The helper that keeps the credentials of all registries but those of `credHelpers`. */
  readonly credsStore?: string;
  /** Helpers by registry. */
  readonly credHelpers?: Readonly<Record<string, string>>;
}

/**
 * The X-Registry-Config header of the credentials that `docker login` wrote, or gave to a helper program to keep; undefined without any.
 * A helper that fails is told of by `warn`: the build then goes without its credentials.
 */
export async function registryConfigHeader(warn: (text: string) => void): Promise<string | undefined> {
  const config = readConfig();
  const found = new Map<string, Credentials>();
  const attempt = async (helper: string, ask: () => Promise<void>): Promise<void> => {
    try {
      await ask();
    } catch (error) {
      warn(`credential helper ${helper}: ${(error as Error).message}`);
    }
  };
  for (const [host, entry] of Object.entries(config.auths ?? {})) {
    const own = ownCredentials(entry);
    if (own) found.set(host, own);
  }
  const { credsStore, credHelpers = {} } = config;
  if (credsStore) {
    await attempt(credsStore, async () => {
      for (const host of await listHelper(credsStore)) if (!(host in credHelpers)) await take(found, host, credsStore);
    });
  }
  for (const [host, helper] of Object.entries(credHelpers)) await attempt(helper, () => take(found, host, helper));
  if (found.size === 0) return undefined;
  return Buffer.from(JSON.stringify(Object.fromEntries(found))).toString("base64url");
}

function readConfig(): DockerConfig {
  const folder = process.env["DOCKER_CONFIG"] ?? join(homedir(), ".docker");
  try {
    return JSON.parse(readFileSync(join(folder, "config.json"), "utf8")) as DockerConfig;
  } catch {
    return {}; // none, or none of ours to mend: pulls then go without
  }
}

function ownCredentials({ auth, identitytoken }: { auth?: string; identitytoken?: string }): Credentials | undefined {
  const [username = "", ...password] = Buffer.from(auth ?? "", "base64")
    .toString("utf8")
    .split(":");
  if (username === "") return identitytoken ? { identitytoken } : undefined;
  return { username, password: password.join(":"), ...(identitytoken && { identitytoken }) };
}

async function take(found: Map<string, Credentials>, host: string, helper: string): Promise<void> {
  const credentials = await getFromHelper(helper, host);
  if (credentials) found.set(host, credentials);
  else found.delete(host);
}

/** The registries that a helper knows. */
async function listHelper(helper: string): Promise<readonly string[]> {
  const { code, stdout } = await runHelper(helper, "list", "");
  if (code !== 0) throw new GantryError("unavailable", stdout.trim() || `exit status ${code}`);
  return Object.keys(JSON.parse(stdout) as Record<string, string>);
}

/** What a helper says when it has nothing, word for word (docker-credential-helpers, credentials/error.go). */
const NOTHING = "credentials not found in native keychain";
/** In place of a name: the secret is an identity token. */
const TOKEN = "<token>";

async function getFromHelper(helper: string, host: string): Promise<Credentials | undefined> {
  const { code, stdout } = await runHelper(helper, "get", host);
  if (code !== 0 && stdout.trim() === NOTHING) return undefined;
  if (code !== 0) throw new GantryError("unavailable", stdout.trim() || `exit status ${code}`);
  const { Username = "", Secret = "" } = JSON.parse(stdout) as { Username?: string; Secret?: string };
  return Username === TOKEN ? { identitytoken: Secret } : { username: Username, password: Secret };
}

/** A helper says little; it may ask its user first, who is given this long. */
const LIMITS = { bytes: 1024 * 1024, ms: 120_000 };

function runHelper(helper: string, verb: string, input: string): Promise<{ code: number | null; stdout: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(`docker-credential-${helper}`, [verb], {
      stdio: ["pipe", "pipe", "ignore"],
      timeout: LIMITS.ms,
    });
    let stdout = "";
    child.stdout.on("data", (chunk: Buffer) => {
      stdout += chunk.toString();
      if (stdout.length > LIMITS.bytes) child.kill();
    });
    child.once("error", (error: NodeJS.ErrnoException) => {
      const missing = error.code === "ENOENT" ? `docker-credential-${helper} is not in PATH` : error.message;
      reject(new GantryError("unavailable", missing));
    });
    child.once("close", (code) => resolve({ code, stdout }));
    child.stdin.on("error", () => undefined); // it does not want to know
    child.stdin.end(input);
  });
}
