import { request, type IncomingMessage } from "node:http";
import { resolve } from "node:path";
import type { Command } from "commander";
import { GantryError } from "#base/errors.ts";
import type { Places } from "#base/places.ts";
import { readStatus } from "./control-client.ts";
import type { CliPorts, RegistryServing } from "./ports.ts";
import { styleFor } from "./style.ts";

interface RegistryFlags {
  readonly listen: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly htpasswd?: string;
}

const HELP = `
An image registry (OCI distribution 1.1) on Gantry's own content store: what is pushed shares its layers with the images
that are here. When Gantry runs, it serves; else this command serves by itself, with the same files. Ctrl-C ends it.

For this machine alone none of this is needed: the name localhost:5000 leads to Gantry's own registry.
  docker tag app localhost:5000/app && docker push localhost:5000/app
  kubectl run app --image=localhost:5000/app

For other machines, with a password and a certificate:
  htpasswd -Bbn me secret > passwords            (or any tool that writes bcrypt)
  gantry registry --listen 0.0.0.0:5443 --tls-cert cert.pem --tls-key key.pem --htpasswd passwords
  docker login host:5443 && docker push host:5443/app
A client trusts a certificate of your own once it lies in /etc/docker/certs.d/host:5443/ca.crt.`;

/** `gantry registry`: its flags and help. */
export function addRegistryFlags(command: Command): Command {
  return command
    .description("serve an image registry for docker, podman, skopeo and others")
    .option("--listen <address>", "host:port or port to listen on (port 0: any free one)", "127.0.0.1:5000")
    .option("--tls-cert <file>", "certificate (PEM, with its chain): serve HTTPS")
    .option("--tls-key <file>", "the certificate's key (PEM)")
    .option("--htpasswd <file>", "users and their bcrypt passwords: without one everybody may push")
    .addHelpText("after", HELP);
}

/** Serves until it is ended: through the running Gantry, or by itself. */
export async function registry(ports: CliPorts, places: Places, flags: RegistryFlags): Promise<number> {
  const serving = readFlags(flags);
  const server = (await readStatus(places))
    ? await serveThroughDaemon(places, serving)
    : await ports.serveRegistry(places, serving);
  ports.out.write(greeting(ports, server.url, serving));
  const signal = Promise.withResolvers<void>();
  for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, () => signal.resolve());
  await Promise.race([signal.promise, server.ended]);
  await server.close();
  return 0;
}

/** Throws `invalid` for flags that do not go together. */
function readFlags({ listen, tlsCert, tlsKey, htpasswd }: RegistryFlags): RegistryServing {
  const [, host = "127.0.0.1", port = ""] = /^(?:(\[[\da-fA-F:.]+\]|[\w.-]+):)?(\d{1,5})$/.exec(listen) ?? [];
  if (port === "" || Number(port) > 65535)
    throw new GantryError("invalid", `--listen ${listen}: wanted host:port or a port`);
  if ((tlsCert === undefined) !== (tlsKey === undefined))
    throw new GantryError("invalid", "--tls-cert and --tls-key go together");
  return {
    host: host.replace(/^\[|\]$/g, ""),
    port: Number(port),
    ...(tlsCert !== undefined && tlsKey !== undefined && { tls: { cert: resolve(tlsCert), key: resolve(tlsKey) } }),
    ...(htpasswd !== undefined && { htpasswd: resolve(htpasswd) }),
  };
}

function greeting(ports: CliPorts, url: string, { host, tls, htpasswd }: RegistryServing): string {
  const { bold, dim, green } = styleFor(ports.out);
  const place = url
    .replace(/^https?:\/\//, "")
    .replace("0.0.0.0", "<this host>")
    .replace("127.0.0.1", "localhost");
  const lines = [`${green("The registry serves")} ${url}`, "", "Try:"];
  if (htpasswd !== undefined) lines.push(`  ${bold(`docker login ${place}`)}`);
  lines.push(`  ${bold(`docker tag app ${place}/app && docker push ${place}/app`)}`);
  const open = !["127.0.0.1", "localhost", "::1"].includes(host);
  if (open && htpasswd === undefined)
    lines.push(dim("Everybody who reaches this address may push: --htpasswd asks for a password."));
  if (open && !tls)
    lines.push(dim("Passwords and images go over the network in the clear: --tls-cert and --tls-key encrypt."));
  return `${lines.join("\n")}\n`;
}

/** The daemon serves as long as the request lasts. */
function serveThroughDaemon(places: Places, serving: RegistryServing): ReturnType<CliPorts["serveRegistry"]> {
  return new Promise((resolveServer, reject) => {
    const call = request({ socketPath: places.controlSocket, method: "POST", path: "/registry" }, (response) => {
      readFirstLine(response).then((line) => {
        if (response.statusCode !== 200) return reject(new GantryError("invalid", line));
        const ended = new Promise<void>((done) => response.once("close", done));
        response.resume();
        resolveServer({ url: line, ended, close: async () => void call.destroy() });
      }, reject);
    });
    call.on("error", reject);
    call.end(JSON.stringify(serving));
  });
}

async function readFirstLine(response: IncomingMessage): Promise<string> {
  let text = "";
  response.setEncoding("utf8");
  return new Promise((resolveLine, reject) => {
    const take = (chunk: string): void => {
      text += chunk;
      if (!text.includes("\n")) return;
      response.off("data", take);
      resolveLine(text.slice(0, text.indexOf("\n")));
    };
    response.on("data", take);
    response.once("end", () => resolveLine(text.trim()));
    response.once("error", reject);
  });
}
