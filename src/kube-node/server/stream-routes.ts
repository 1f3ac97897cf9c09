import type { Duplex } from "node:stream";
import { GantryError } from "#base/errors.ts";
import type { Pod } from "#formats/kube-types.generated.ts";
import type { ExecRequest, NodeStreams, ProcessStreams } from "../streams/node-streams.ts";

/** What a client's streams are to be connected with (kube-api/stream-upgrades.ts). */
export type StreamTarget =
  | {
      readonly kind: "command";
      readonly request: Omit<ExecRequest, "command">;
      start(): Promise<ProcessStreams>;
    }
  | { readonly kind: "port-forward"; dial(port: number): Promise<Duplex> };

export interface StreamRouteDeps {
  readonly streams: NodeStreams;
  pods(): readonly Pod[];
}

/** Paths that let somebody act inside a pod. Whatever the method, they need the right to create. */
export function isStreamPath(path: string): boolean {
  return /^\/(exec|attach|run|portForward)\//.test(path);
}

/**
 * `/exec/NAMESPACE/POD[/UID]/CONTAINER`, `/attach/...` and `/portForward/NAMESPACE/POD[/UID]`, as the kubelet has them. Throws `not-found`
 * and `invalid`.
 */
export function streamTarget({ streams, pods }: StreamRouteDeps, url: URL): StreamTarget {
  const [, verb = "", namespace = "", name = "", ...rest] = url.pathname.replace(/\/+$/, "").split("/");
  if (verb === "portForward") {
    const pod = podOf(pods(), namespace, name, rest[0]);
    if (rest.length > 1) throw notFound(url.pathname);
    return { kind: "port-forward", dial: (port) => streams.portForward(pod, port) };
  }
  if (verb !== "exec" && verb !== "attach") throw notFound(url.pathname);
  const [uid, container = ""] = rest.length > 1 ? rest : [undefined, rest[0]];
  if (rest.length > 2 || container === "") throw notFound(url.pathname);
  const pod = podOf(pods(), namespace, name, uid);
  requireContainer(pod, container);
  const request = requestOf(url.searchParams);
  if (verb === "attach") return { kind: "command", request, start: () => streams.attach(pod, container, request) };
  const command = url.searchParams.getAll("command");
  if (command.length === 0) throw new GantryError("invalid", "you must specify at least one command for the container");
  return { kind: "command", request, start: () => streams.exec(pod, container, { ...request, command }) };
}

/** `/run/NAMESPACE/POD[/UID]/CONTAINER?cmd=...`: the output of a command, all at once. At most `limitBytes` of it. */
export async function runCommand({ streams, pods }: StreamRouteDeps, url: URL, limitBytes: number): Promise<string> {
  const [, , namespace = "", name = "", ...rest] = url.pathname.replace(/\/+$/, "").split("/");
  const [uid, container = ""] = rest.length > 1 ? rest : [undefined, rest[0]];
  const pod = podOf(pods(), namespace, name, uid);
  requireContainer(pod, container);
  const command = (url.searchParams.get("cmd") ?? "").split(" ").filter((word) => word !== "");
  if (command.length === 0) throw new GantryError("invalid", "cmd: Required value");
  const request = { command, tty: false, stdin: false, stdout: true, stderr: true };
  const { stdout, stderr, exit } = await streams.exec(pod, container, request);
  const chunks: Buffer[] = [];
  let size = 0;
  const keep = (chunk: Buffer): void => {
    size += chunk.length;
    if (size <= limitBytes) chunks.push(chunk);
  };
  stdout.on("data", keep);
  stderr?.on("data", keep);
  const code = await exit;
  const output = Buffer.concat(chunks).toString();
  if (code !== 0) throw new GantryError("internal", `command '${command.join(" ")}' exited with ${code}: ${output}`);
  return output;
}

function podOf(pods: readonly Pod[], namespace: string, name: string, uid: string | undefined): Pod {
  const found = pods.find(
    ({ metadata }) =>
      metadata.name === name && metadata.namespace === namespace && (uid === undefined || metadata.uid === uid),
  );
  if (!found) throw new GantryError("not-found", `pod does not exist`);
  return found;
}

function requireContainer({ metadata, spec }: Pod, name: string): void {
  const all = [...(spec?.containers ?? []), ...(spec?.initContainers ?? []), ...(spec?.ephemeralContainers ?? [])];
  if (!all.some((container) => container.name === name))
    throw new GantryError("not-found", `container "${name}" not found in pod "${metadata.name}"`);
}

function requestOf(query: URLSearchParams): Omit<ExecRequest, "command"> {
  const flag = (name: string): boolean => ["1", "true"].includes(query.get(name) ?? "");
  const tty = flag("tty");
  const request = { tty, stdin: flag("input"), stdout: flag("output"), stderr: flag("error") && !tty };
  if (!request.stdin && !request.stdout && !request.stderr)
    throw new GantryError("invalid", "you must specify at least 1 of stdin, stdout, stderr");
  return request;
}

function notFound(path: string): GantryError {
  return new GantryError("not-found", `404 page not found: ${path}`);
}
