/** The corpus of Dockerfiles in test/builds: a directory each, with its context, its options, and what must come of it. */
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { request, type IncomingMessage } from "node:http";
import { join } from "node:path";
import { Readable } from "node:stream";
import { text as readAll } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { extract, pack } from "tar-stream";

export const CORPUS = new URL("../builds/", import.meta.url).pathname;

export interface CorpusOptions {
  readonly buildArgs?: Record<string, string>;
  readonly labels?: Record<string, string>;
  readonly target?: string;
}

export interface CorpusCase {
  readonly name: string;
  readonly directory: string;
  readonly dockerfile: string;
  readonly options: CorpusOptions;
}

export function corpusCases(): CorpusCase[] {
  return readdirSync(CORPUS, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => {
      const directory = join(CORPUS, name);
      const options = join(directory, "options.json");
      return {
        name,
        directory,
        dockerfile: readFileSync(join(directory, "Dockerfile"), "utf8"),
        options: existsSync(options) ? (JSON.parse(readFileSync(options, "utf8")) as CorpusOptions) : {},
      };
    })
    .toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

/** The files of a case's context, by name. Owners are those that a build gives them. */
export function contextFiles({ directory }: CorpusCase): string[] {
  const context = join(directory, "context");
  if (!existsSync(context)) return [];
  return readdirSync(context, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(context.length + 1))
    .toSorted();
}

/** Builds a case through Gantry's own protocol; gives its events, the last of a failure included. */
export async function buildCase(socketPath: string, one: CorpusCase): Promise<Record<string, unknown>[]> {
  const document = Buffer.from(
    JSON.stringify({ ...one.options, dockerfileText: one.dockerfile, names: [], contexts: {} }),
  );
  const length = Buffer.alloc(4);
  length.writeUInt32BE(document.length);
  const archive = pack();
  const folders = new Set(["context/"]);
  for (const name of contextFiles(one))
    for (let at = name.indexOf("/"); at >= 0; at = name.indexOf("/", at + 1))
      folders.add(`context/${name.slice(0, at)}/`);
  for (const name of folders) archive.entry({ name, type: "directory", mode: 0o755 });
  for (const name of contextFiles(one))
    archive.entry({ name: `context/${name}`, mode: 0o644 }, readFileSync(join(one.directory, "context", name)));
  archive.finalize();
  const body = async function* (): AsyncGenerator<Buffer> {
    yield Buffer.concat([length, document]);
    yield* archive as AsyncIterable<Buffer>;
  };
  const answer = await send(socketPath, "POST", "/gantry/build", Readable.from(body()));
  return answer
    .split("\n")
    .filter((line) => line.trim() !== "")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

async function send(socketPath: string, method: string, path: string, body?: Readable): Promise<string> {
  return readAll(await ask(socketPath, method, path, body));
}

export async function ask(socketPath: string, method: string, path: string, body?: Readable): Promise<IncomingMessage> {
  const call = request({ socketPath, method, path });
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    call.once("response", resolve);
    call.once("error", reject);
  });
  if (body) pipeline(body, call).catch(() => undefined);
  else call.end();
  return answered;
}

/** A line for each entry of a tar: kind and mode, owner, name, link, content. Never times. */
export async function treeOf(archive: Readable): Promise<string[]> {
  const lines: string[] = [];
  const reader = extract();
  reader.on("entry", (header, stream, next) => {
    const hash = createHash("sha256");
    stream.on("data", (chunk: unknown) => hash.update(chunk as Buffer));
    stream.on("end", () => {
      const name = `/${header.name.replace(/^\.?\/+|\/+$/g, "")}`;
      const link = header.linkname ? ` -> ${header.linkname.replace(/^\//, header.type === "link" ? "" : "/")}` : "";
      const mode = ((header.mode ?? 0) & 0o7777).toString(8).padStart(4, "0");
      const content = header.type === "file" ? ` ${header.size} ${hash.digest("hex").slice(0, 8)}` : "";
      lines.push(`${header.type} ${mode} ${header.uid}:${header.gid} ${name}${link}${content}`);
      next();
    });
  });
  await pipeline(archive, reader);
  return lines.toSorted();
}

/** An image's configuration, without what is empty. */
export function plainConfig(config: Record<string, unknown>): Record<string, unknown> {
  const isEmpty = (value: unknown): boolean =>
    value === null || value === "" || (typeof value === "object" && value !== null && Object.keys(value).length === 0);
  return Object.fromEntries(
    Object.entries(config)
      .filter(([name, value]) => !isEmpty(value) && value !== false && !["Hostname", "Image"].includes(name))
      .map(([name, value]) => [name, sortedKeys(value)] as const)
      .toSorted(([a], [b]) => (a < b ? -1 : 1)),
  );
}

/** Maps have no order: Go writes theirs sorted. */
function sortedKeys(value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}
