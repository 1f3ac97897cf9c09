import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { basename, join, resolve } from "node:path";
import { GantryError } from "#base/errors.ts";
import { fieldsOf } from "./fields.ts";
import { parseOutputs, type Output } from "./outputs.ts";

/** The flags of `gantry build`, as they were given. */
export interface BuildFlags {
  readonly file?: string;
  readonly tag?: string[];
  readonly buildArg?: string[];
  readonly label?: string[];
  readonly target?: string;
  readonly cache: boolean;
  readonly pull?: boolean;
  readonly secret?: string[];
  readonly ssh?: string[];
  readonly buildContext?: string[];
  readonly output?: string[];
  readonly cacheFrom?: string[];
  readonly platform?: string;
  readonly network?: string;
  readonly addHost?: string[];
  readonly allow?: string[];
  readonly progress: "auto" | "plain" | "tty" | "rawjson" | "quiet";
  readonly quiet?: boolean;
  readonly check?: boolean;
  readonly iidfile?: string;
}

/** What is sent to `POST /gantry/build`, and what of it lies on this side. */
export interface BuildRequest {
  readonly document: Record<string, unknown>;
  /** Directories to send: the context and named ones, each with the folder that it goes to. undefined context: it is remote. */
  readonly folders: readonly { readonly as: string; readonly path: string }[];
  readonly outputs: readonly Output[];
  /** Of the result. */
  readonly names: readonly string[];
}

const REMOTE = /^(https?:\/\/|git:\/\/|ssh:\/\/|git@|github\.com\/)/;

/** Reads flags, the Dockerfile, secrets. Throws `invalid` for what does not fit, naming the flag. */
export async function buildRequest(context: string, flags: BuildFlags): Promise<BuildRequest> {
  const remote = REMOTE.test(context);
  const stdin = context === "-";
  const { names, contexts, folders } = namedContexts(flags.buildContext ?? []);
  const outputs = parseOutputs(flags.output ?? []);
  const dockerfileText = await dockerfileOf(context, flags.file, remote);
  const tags = [...(flags.tag ?? []), ...outputs.flatMap(({ names: more }) => more)];
  const document = {
    dockerfile:
      flags.file === undefined || flags.file === "-" ? "Dockerfile" : remote ? flags.file : basename(flags.file),
    ...(dockerfileText !== undefined && { dockerfileText }),
    ...(remote && { remote: context }),
    names,
    contexts,
    tags,
    buildArgs: { ...epoch(), ...pairs("--build-arg", flags.buildArg, true) },
    labels: pairs("--label", flags.label, false),
    target: flags.target ?? "",
    noCache: !flags.cache,
    pull: flags.pull ?? false,
    checkOnly: flags.check ?? false,
    network: flags.network ?? "default",
    extraHosts: flags.addHost ?? [],
    allow: flags.allow ?? [],
    platform: flags.platform ?? "",
    cacheFrom: (flags.cacheFrom ?? []).map(cacheReference),
    secrets: await readSecrets(flags.secret ?? []),
    ssh: agents(flags.ssh ?? []),
    cacheOnly: outputs.length > 0 && outputs.every(({ type }) => type === "local" || type === "tar"),
  };
  const own = remote || stdin ? [] : [{ as: "context", path: resolve(context) }];
  return { document, folders: [...own, ...folders], outputs, names: tags };
}

/** SOURCE_DATE_EPOCH of the environment goes with every build (reproducible-builds.org). */
function epoch(): Record<string, string> {
  const value = process.env["SOURCE_DATE_EPOCH"];
  return value === undefined ? {} : { SOURCE_DATE_EPOCH: value };
}

async function dockerfileOf(context: string, file: string | undefined, remote: boolean): Promise<string | undefined> {
  if (context === "-" || file === "-") return readStdin();
  if (remote) return undefined;
  const path = file === undefined ? join(context, "Dockerfile") : resolve(file);
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    throw new GantryError("invalid", `there is no Dockerfile at ${path}: name one with -f`, { path }, error);
  }
}

async function readStdin(): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString("utf8");
}

/** `NAME=value`; with `fromEnvironment` a lone NAME takes its value from there. */
function pairs(flag: string, given: readonly string[] = [], fromEnvironment: boolean): Record<string, string> {
  const found: Record<string, string> = {};
  for (const text of given) {
    const at = text.indexOf("=");
    const name = at < 0 ? text : text.slice(0, at);
    if (name === "") throw new GantryError("invalid", `${flag} ${text}: wanted name=value`);
    const value = at < 0 ? (fromEnvironment ? process.env[name] : "") : text.slice(at + 1);
    if (value !== undefined) found[name] = value;
  }
  return found;
}

function cacheReference(text: string): string {
  if (!text.includes("=")) return text;
  const fields = fieldsOf("--cache-from", text);
  if (fields.get("type") !== "registry" || !fields.has("ref"))
    throw new GantryError(
      "unsupported",
      `--cache-from ${text}: only images are supported: name one, or type=registry,ref=<image>`,
    );
  return fields.get("ref") ?? "";
}

const SECRET_LIMIT_BYTES = 500 * 1024;

/** `id=name,src=path`, `id=name,env=VARIABLE`; without either, the variable or the file of that name. */
async function readSecrets(given: readonly string[]): Promise<Record<string, string>> {
  const secrets: Record<string, string> = {};
  for (const text of given) {
    const fields = fieldsOf("--secret", text);
    const id = fields.get("id") ?? "";
    const unknown = [...fields.keys()].find((key) => !["id", "src", "source", "env", "type"].includes(key));
    if (id === "" || unknown !== undefined)
      throw new GantryError("invalid", `--secret ${text}: wanted id=<name>,src=<file> or id=<name>,env=<variable>`);
    const bytes = await secretBytes(id, fields);
    if (bytes.length > SECRET_LIMIT_BYTES)
      throw new GantryError(
        "too-large",
        `--secret ${id}: invalid secret size ${bytes.length}: at most ${SECRET_LIMIT_BYTES} bytes`,
      );
    secrets[id] = bytes.toString("base64");
  }
  return secrets;
}

async function secretBytes(id: string, fields: ReadonlyMap<string, string>): Promise<Buffer> {
  const path = fields.get("src") ?? fields.get("source");
  const variable = fields.get("env") ?? (path === undefined && process.env[id] !== undefined ? id : undefined);
  if (path === undefined && variable !== undefined) {
    const value = process.env[variable];
    if (value === undefined) throw new GantryError("invalid", `--secret ${id}: the variable ${variable} is not set`);
    return Buffer.from(value);
  }
  try {
    return await readFile((path ?? id).replace(/^~(?=\/)/, homedir()));
  } catch (error) {
    throw new GantryError("invalid", `--secret ${id}: ${(error as Error).message}`, { id }, error);
  }
}

/** `default`, `name=/path/of/agent.sock`. */
function agents(given: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    given.map((text) => {
      const at = text.indexOf("=");
      const [id, path] = at < 0 ? [text, process.env["SSH_AUTH_SOCK"]] : [text.slice(0, at), text.slice(at + 1)];
      if (path === undefined || path === "")
        throw new GantryError(
          "invalid",
          `--ssh ${text}: no agent: start ssh-agent, or give the socket as ${id}=<path>`,
        );
      return [id, resolve(path)];
    }),
  );
}

/** `name=dir`, `name=docker-image://ref`, `name=https://host/x.git`. */
function namedContexts(given: readonly string[]): {
  names: string[];
  contexts: Record<string, string>;
  folders: { as: string; path: string }[];
} {
  const [names, contexts, folders]: [string[], Record<string, string>, { as: string; path: string }[]] = [[], {}, []];
  for (const text of given) {
    const at = text.indexOf("=");
    const [name, value] = [text.slice(0, at), text.slice(at + 1)];
    if (at < 1 || value === "")
      throw new GantryError("invalid", `--build-context ${text}: wanted name=<directory or URL>`);
    if (/^(target|oci-layout):/.test(value))
      throw new GantryError(
        "unsupported",
        `--build-context ${text}: give a directory, docker-image://<name>, or a git URL`,
      );
    if (REMOTE.test(value) || value.startsWith("docker-image://")) contexts[name] = value;
    else {
      folders.push({ as: `named/${names.length}`, path: resolve(value) });
      names.push(name);
    }
  }
  return { names, contexts, folders };
}
