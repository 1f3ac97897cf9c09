import { execFile, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { request as httpsRequest } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import type { User } from "#kube-api/context.ts";
import { kubeconfigText } from "#kube-api/kubeconfig.ts";
import { createApiServer, newBearerToken, type ApiServer, type ApiServerOptions } from "#kube-api/server.ts";
import { memoryStore } from "#store/memory.ts";

/** A listening API server of its own, with an administrator's kubeconfig. Gone when the test ends. */
export interface TestServer {
  readonly server: ApiServer;
  readonly url: string;
  readonly kubeconfig: string;
  readonly folder: string;
  /** Runs the real kubectl; rejects with its output when it fails, unless `fails`. */
  kubectl(args: readonly string[], options?: KubectlOptions): Promise<string>;
  /** A request with a bearer token (the administrator's by default), as it is. */
  request(method: string, path: string, options?: RequestOptions): Promise<Answer>;
}

export interface KubectlOptions {
  readonly stdin?: string | undefined;
  readonly env?: Record<string, string>;
  /** It must fail; the result is what it wrote to standard error. */
  readonly fails?: boolean;
}

export interface RequestOptions {
  readonly body?: string | Buffer;
  readonly headers?: Record<string, string>;
  /** undefined: the administrator's; "": none. */
  readonly token?: string;
}

export interface Answer {
  readonly status: number;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly text: string;
  /** The body parsed; throws when it is no JSON. */
  json(): Record<string, unknown> & { message?: string; reason?: string };
}

const ADMIN: User = { name: "admin", groups: ["system:masters", "system:authenticated"] };

export async function startApiServer(
  t: TestContext,
  options: Partial<ApiServerOptions> & { users?: ReadonlyMap<string, User> } = {},
): Promise<TestServer> {
  const folder = mkdtempSync(join(tmpdir(), "gantry-api-"));
  const token = newBearerToken();
  const store = options.store ?? memoryStore();
  const staticTokens = new Map([[token, ADMIN], ...(options.users ?? [])]);
  const server = createApiServer({ ...options, store, staticTokens });
  t.after(async () => {
    await server.close();
    await store.close();
    rmSync(folder, { recursive: true, force: true });
  });
  await server.start();
  const { port } = await server.listen();
  const url = `https://127.0.0.1:${port}`;
  const { caCert } = server.certificates;
  const kubeconfig = join(folder, "kubeconfig");
  writeFileSync(
    kubeconfig,
    kubeconfigText({ server: url, caCert, credentials: server.certificates.client("admin", ["system:masters"]) }),
    { mode: 0o600 },
  );
  return {
    server,
    url,
    kubeconfig,
    folder,
    kubectl: (args, how) => kubectl(folder, kubeconfig, args, how),
    request: (method, path, how) => send(port, caCert, method, path, { token, ...how }),
  };
}

function kubectl(
  folder: string,
  kubeconfig: string,
  args: readonly string[],
  { stdin, env = {}, fails = false }: KubectlOptions = {},
): Promise<string> {
  return new Promise((resolve, reject) => {
    const own = { PATH: process.env["PATH"] ?? "", HOME: folder, KUBECONFIG: kubeconfig, ...env };
    const child = execFile("kubectl", [...args], { env: own, maxBuffer: 64 * 2 ** 20 }, (error, stdout, stderr) => {
      if (fails)
        return error ? resolve(stderr) : reject(new Error(`kubectl ${args.join(" ")} did not fail:\n${stdout}`));
      if (error) reject(new Error(`kubectl ${args.join(" ")}: ${stdout}${stderr}`));
      else resolve(stdout);
    });
    // kubectl may end without reading what it is given.
    child.stdin?.on("error", () => undefined);
    child.stdin?.end(stdin ?? "");
  });
}

/** Starts kubectl and leaves it running: watches, port-forwards. Ended with the test. */
export function startKubectl(
  t: TestContext,
  { kubeconfig, folder }: TestServer,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
) {
  const own = { PATH: process.env["PATH"] ?? "", HOME: folder, KUBECONFIG: kubeconfig, ...env };
  const child = spawn("kubectl", args, { env: own });
  t.after(() => child.kill("SIGKILL"));
  return child;
}

function send(
  port: number,
  ca: string,
  method: string,
  path: string,
  { body, headers = {}, token }: RequestOptions,
): Promise<Answer> {
  const credentials = token ? { authorization: `Bearer ${token}` } : {};
  return new Promise((resolve, reject) => {
    const request = httpsRequest(
      { host: "127.0.0.1", port, ca, method, path, headers: { ...credentials, ...headers }, agent: false },
      (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("error", reject);
        response.on("end", () => {
          const text = Buffer.concat(chunks).toString();
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            text,
            json: () => JSON.parse(text) as ReturnType<Answer["json"]>,
          });
        });
      },
    );
    request.on("error", reject);
    request.end(body);
  });
}
