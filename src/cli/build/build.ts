import { createWriteStream, writeFileSync } from "node:fs";
import { request, type IncomingMessage } from "node:http";
import { resolve } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { GantryError } from "#base/errors.ts";
import type { Places } from "#base/places.ts";
import type { BuildEvent, BuildWarning } from "#formats/build-events.ts";
import type { CliPorts } from "../ports.ts";
import { contextArchive } from "./context-archive.ts";
import { registryConfigHeader } from "./docker-config.ts";
import { extractTo } from "./extract.ts";
import type { Output } from "./outputs.ts";
import { plainProgress, type BuildProgress } from "./plain-progress.ts";
import { buildRequest, type BuildFlags, type BuildRequest } from "./request.ts";
import { ttyProgress } from "./tty-progress.ts";

/** The last line of a build that failed. */
interface Failure {
  readonly kind: "error";
  readonly message: string;
  readonly excerpt?: string;
  readonly exitCode?: number;
  readonly command?: string;
}

/** `gantry build`: sends the context, draws the graph, puts the result where it is wanted. Exit code 1 when the build fails. */
export async function build(ports: CliPorts, places: Places, context: string, flags: BuildFlags): Promise<number> {
  const asked = await buildRequest(context, flags);
  const toStdout = asked.outputs.some(({ dest }) => dest === "-");
  const credentials = await registryConfigHeader((text) => ports.err.write(`WARNING: ${text}\n`));
  const progress = progressOf(ports, flags);
  const socket = places.dockerSocket;
  let imageId = "";
  let failure: Failure | undefined;
  const warnings: BuildWarning[] = [];
  const failed = failedStep();
  try {
    for await (const event of send(socket, asked, { flags, credentials })) {
      if (flags.progress === "rawjson") ports.err.write(`${JSON.stringify(event)}\n`);
      if (event.kind === "error") failure = event;
      else {
        if (event.kind === "result") imageId = event.imageId;
        if (event.kind === "warning") warnings.push(event.warning);
        failed.note(event);
        progress?.show(event);
      }
    }
  } finally {
    progress?.close();
  }
  if (failure) {
    // Line by line it has been told already.
    const told = flags.progress === "plain" || (flags.progress === "auto" && !ports.err.isTTY && !flags.quiet);
    ports.err.write(`${told ? "" : failed.text()}${failureText(failure)}`);
    return 1;
  }
  if (flags.check) return reportChecks(ports, warnings);
  if (flags.iidfile !== undefined) writeFileSync(flags.iidfile, imageId);
  for (const output of asked.outputs) await deliver(ports, socket, asked.names[0] ?? imageId, output, imageId);
  if ((flags.quiet || flags.progress === "quiet") && !toStdout) ports.out.write(`${imageId}\n`);
  return 0;
}

/** Characters of the output of each step that are kept, for the one that fails. */
const KEPT_LOG = 64 * 1024;

/** What a step printed that failed, as BuildKit's clients show it at the end. */
function failedStep(): { note(event: BuildEvent): void; text(): string } {
  const names = new Map<number, string>();
  const logs = new Map<number, string>();
  let vertex: number | undefined;
  return {
    note(event) {
      if (event.kind === "plan") for (const { id, name } of event.vertices) names.set(id, name);
      if (event.kind === "log") logs.set(event.vertex, ((logs.get(event.vertex) ?? "") + event.text).slice(-KEPT_LOG));
      if (event.kind === "done") logs.delete(event.vertex);
      if (event.kind === "failed") vertex = event.vertex;
    },
    text() {
      const log = vertex === undefined ? undefined : logs.get(vertex);
      if (vertex === undefined || log === undefined) return "";
      return `------\n > ${names.get(vertex)}:\n${log}${log.endsWith("\n") ? "" : "\n"}------\n`;
    },
  };
}

function progressOf(ports: CliPorts, { progress, quiet }: BuildFlags): BuildProgress | undefined {
  if (quiet || progress === "quiet" || progress === "rawjson") return undefined;
  const write = (text: string): void => void ports.err.write(text);
  const now = (): number => performance.now();
  if (progress === "plain" || (progress === "auto" && !ports.err.isTTY)) return plainProgress(write, now);
  const screen = {
    write,
    get columns() {
      return ports.err.columns || 80;
    },
    get rows() {
      return ports.err.rows || 24;
    },
    colour: !process.env["NO_COLOR"],
  };
  return ttyProgress(screen, now);
}

/** As BuildKit's clients end: the Dockerfile's lines, then what went wrong. */
function failureText({ message, excerpt, exitCode, command }: Failure): string {
  const text =
    exitCode === undefined
      ? message
      : `process ${JSON.stringify(command ?? "")} did not complete successfully: exit code: ${exitCode}`;
  return `${excerpt === undefined ? "" : `${excerpt}\n`}ERROR: failed to solve: ${text}\n`;
}

function reportChecks(ports: CliPorts, warnings: readonly BuildWarning[]): number {
  if (warnings.length === 0) {
    ports.out.write("Check complete, no warnings found.\n");
    return 0;
  }
  ports.out.write(
    `Check complete, ${warnings.length} warning${warnings.length === 1 ? " has" : "s have"} been found!\n`,
  );
  for (const { rule, url, description, message, line } of warnings)
    ports.out.write(`\nWARNING: ${rule} - ${url}\n${description}\n${message}\n  line ${line}\n`);
  return 1;
}

/** Sends a build and gives its events. Throws `unavailable` when no Gantry answers. */
async function* send(
  socketPath: string,
  asked: BuildRequest,
  { flags, credentials }: { readonly flags: BuildFlags; readonly credentials: string | undefined },
): AsyncGenerator<BuildEvent | Failure> {
  const headers = {
    "content-type": "application/vnd.gantry.build",
    ...(credentials !== undefined && { "x-registry-config": credentials }),
  };
  const call = request({ socketPath, method: "POST", path: "/gantry/build", headers });
  const answered = new Promise<IncomingMessage>((done, failed) => {
    call.once("response", done);
    call.once("error", (error: NodeJS.ErrnoException) =>
      failed(
        error.code === "ENOENT" || error.code === "ECONNREFUSED"
          ? new GantryError(
              "unavailable",
              `Gantry is not running (nothing answers at ${socketPath}): start it with 'gantry up -d'`,
            )
          : error,
      ),
    );
  });
  const ignoreFile = flags.file === undefined || flags.file === "-" ? undefined : `${resolve(flags.file)}.dockerignore`;
  // A build that fails early does not read on: what is wrong is in its answer.
  const sending = pipeline(Readable.from(bodyOf(asked, ignoreFile)), call);
  const response = await Promise.race([answered, sending.then(() => answered)]);
  if (response.statusCode !== 200) throw new GantryError("invalid", await errorOf(response));
  for await (const line of linesOf(response)) yield JSON.parse(line) as BuildEvent | Failure;
  await sending.catch(() => undefined); // told already, by the answer
}

async function* bodyOf({ document, folders }: BuildRequest, ignoreFile: string | undefined): AsyncGenerator<Buffer> {
  const bytes = Buffer.from(JSON.stringify(document));
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  yield Buffer.concat([length, bytes]);
  yield* contextArchive(folders, ignoreFile);
}

async function* linesOf(stream: IncomingMessage): AsyncGenerator<string> {
  let text = "";
  stream.setEncoding("utf8");
  for await (const chunk of stream as AsyncIterable<string>) {
    text += chunk;
    const lines = text.split("\n");
    text = lines.pop() ?? "";
    for (const line of lines) if (line.trim() !== "") yield line;
  }
}

async function errorOf(response: IncomingMessage): Promise<string> {
  let text = "";
  for await (const line of linesOf(response)) text += line;
  try {
    return (JSON.parse(text) as { message?: string }).message ?? text;
  } catch {
    return text || `Gantry answered with ${response.statusCode}`;
  }
}

/** Brings the result to where an output wants it. */
async function deliver(
  ports: CliPorts,
  socketPath: string,
  name: string,
  output: Output,
  imageId: string,
): Promise<void> {
  const { type, dest, push, names } = output;
  if (push) for (const each of names) await pushImage(ports, socketPath, each);
  if (dest === "" || type === "image") return;
  const path = type === "local" || type === "tar" ? `/gantry/images/${imageId}/files` : `/images/${name}/get`;
  const archive = await get(socketPath, "GET", path);
  if (type === "local") await extractTo(resolve(dest), archive as AsyncIterable<Buffer>);
  else if (dest === "-") await pipeline(archive, ports.out, { end: false });
  else await pipeline(archive, createWriteStream(dest));
}

async function pushImage(ports: CliPorts, socketPath: string, name: string): Promise<void> {
  const [, repository = name, tag = "latest"] = /^(.+?)(?::([\w][\w.-]*))?$/.exec(name) ?? [];
  for await (const line of linesOf(await get(socketPath, "POST", `/images/${repository}/push?tag=${tag}`))) {
    const { error, aux } = JSON.parse(line) as { error?: string; aux?: { Digest?: string } };
    if (error !== undefined) throw new GantryError("unavailable", error);
    if (aux?.Digest !== undefined) ports.err.write(`pushed ${name}@${aux.Digest}\n`);
  }
}

function get(socketPath: string, method: string, path: string): Promise<IncomingMessage> {
  return new Promise((done, failed) => {
    const call = request({ socketPath, method, path }, (response) => {
      if (response.statusCode === 200) done(response);
      else errorOf(response).then((text) => failed(new GantryError("invalid", text)), failed);
    });
    call.on("error", failed);
    call.end();
  });
}
