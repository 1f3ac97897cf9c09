/** Docker's volume plugin protocol: JSON over HTTP POST (Docker, "Docker volume plugins"). */
import { request } from "node:http";
import { GantryError } from "#base/errors.ts";
import type { PluginAddress } from "./plugin-discovery.ts";

/** What a plugin tells of a volume. */
export interface PluginVolume {
  readonly mountpoint: string;
  readonly status: Readonly<Record<string, unknown>>;
}

export interface VolumePlugin {
  readonly name: string;
  /** "local" or "global". */
  scope(): Promise<string>;
  create(volume: string, options: Readonly<Record<string, string>>): Promise<void>;
  remove(volume: string): Promise<void>;
  /** Where the volume lies on the host now; `id` names the user for `unmount`. */
  mount(volume: string, id: string): Promise<string>;
  unmount(volume: string, id: string): Promise<void>;
  get(volume: string): Promise<PluginVolume>;
  list(): Promise<readonly { readonly name: string; readonly mountpoint: string }[]>;
}

const ANSWER_LIMIT_BYTES = 1024 * 1024;
const TIMEOUT_MS = 30_000;
const MEDIA_TYPE = "application/vnd.docker.plugins.v1.1+json";

type Answer = Readonly<Record<string, unknown>>;

/** Greets a plugin. Throws `not-found` when it is no volume driver, `unavailable` when it does not answer. */
export async function openVolumePlugin(address: PluginAddress): Promise<VolumePlugin> {
  const { name } = address;
  const { Implements: kinds } = await call(address, "/Plugin.Activate", {});
  if (!Array.isArray(kinds) || !kinds.includes("VolumeDriver"))
    throw new GantryError("not-found", `plugin ${JSON.stringify(name)} does not implement VolumeDriver`, {
      plugin: name,
    });
  const driver = (verb: string, body: object): Promise<Answer> => call(address, `/VolumeDriver.${verb}`, body);
  return {
    name,
    scope: () => scopeOf(driver),
    create: async (volume, options) => void (await driver("Create", { Name: volume, Opts: options })),
    remove: async (volume) => void (await driver("Remove", { Name: volume })),
    mount: async (volume, id) => textOf((await driver("Mount", { Name: volume, ID: id }))["Mountpoint"]),
    unmount: async (volume, id) => void (await driver("Unmount", { Name: volume, ID: id })),
    async get(volume) {
      const found = recordOf((await driver("Get", { Name: volume }))["Volume"]);
      return { mountpoint: textOf(found["Mountpoint"]), status: recordOf(found["Status"]) };
    },
    async list() {
      const { Volumes: volumes } = await driver("List", {});
      return (Array.isArray(volumes) ? volumes : []).map((each: unknown) => {
        const volume = recordOf(each);
        return { name: textOf(volume["Name"]), mountpoint: textOf(volume["Mountpoint"]) };
      });
    },
  };
}

/** Plugins without capabilities are local. */
async function scopeOf(driver: (verb: string, body: object) => Promise<Answer>): Promise<string> {
  try {
    return recordOf((await driver("Capabilities", {}))["Capabilities"])["Scope"] === "global" ? "global" : "local";
  } catch {
    return "local";
  }
}

const textOf = (value: unknown): string => (typeof value === "string" ? value : "");
const recordOf = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};

function call({ name, socketPath, url }: PluginAddress, path: string, body: object): Promise<Answer> {
  const payload = JSON.stringify(body);
  const failed = (reason: string, cause?: unknown): GantryError =>
    new GantryError("unavailable", `plugin ${JSON.stringify(name)}: ${path}: ${reason}`, { plugin: name }, cause);
  return new Promise((resolve, reject) => {
    const sent = request(new URL(path, url ?? "http://plugin"), {
      ...(socketPath !== undefined && { socketPath }),
      method: "POST",
      headers: { accept: MEDIA_TYPE, "content-type": MEDIA_TYPE, "content-length": Buffer.byteLength(payload) },
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    sent.on("error", (error) => reject(failed(error.message, error)));
    sent.on("response", (response) => {
      const chunks: Buffer[] = [];
      let length = 0;
      response.on("data", (chunk: Buffer) => {
        length += chunk.length;
        if (length > ANSWER_LIMIT_BYTES) sent.destroy(new Error("the answer is too large"));
        else chunks.push(chunk);
      });
      response.on("error", (error) => reject(failed(error.message, error)));
      response.on("end", () => {
        try {
          resolve(answerOf(name, path, response.statusCode ?? 0, Buffer.concat(chunks).toString("utf8")));
        } catch (error) {
          reject(error instanceof GantryError ? error : failed("the answer is no JSON document", error));
        }
      });
    });
    sent.end(payload);
  });
}

/** A plugin says what went wrong in `Err`. */
function answerOf(plugin: string, path: string, status: number, text: string): Answer {
  if (status === 404) throw new GantryError("not-found", `plugin ${JSON.stringify(plugin)} has no ${path}`, { plugin });
  const answer = recordOf(text.trim() === "" ? {} : (JSON.parse(text) as unknown));
  const failure = textOf(answer["Err"]);
  if (failure === "" && status < 400) return answer;
  const verb = path.replace("/", "");
  throw new GantryError("internal", `${verb}: ${failure || `status ${status}`}`, { plugin });
}
