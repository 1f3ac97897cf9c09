/** A container engine on real images, networks and shims, in a root and a network of the test file's own. */
import { createReadStream, mkdirSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import type { Readable } from "node:stream";
import type { Logger } from "#base/logger.ts";
import { silentLogger } from "#base/logger.ts";
import type { Container, ContainerConfig, Engine, EngineEvent } from "#containers/engine.ts";
import { openEngine } from "#containers/open-engine.ts";
import { DEFAULT_CAPABILITIES } from "#formats/docker-capabilities.ts";
import type { ImageStore } from "#images/image-store.ts";
import { openImages } from "#images/open-images.ts";
import { openCgroup } from "#linux/cgroups.ts";
import type { Networks } from "#network/networks.ts";
import { openNetworks } from "#network/open-networks.ts";
import { testImage } from "./images.ts";
import { assertNothingLeft, hostSnapshot } from "./leaks.ts";

export interface TestEngine {
  readonly root: string;
  readonly cgroupParent: string;
  readonly engine: Engine;
  readonly images: ImageStore;
  readonly networks: Networks;
  /** Everything that happened, as "type action". */
  readonly events: readonly EngineEvent[];
  /** A busybox container's configuration. */
  config(args: readonly string[], changes?: Partial<ContainerConfig>): ContainerConfig;
  run(args: readonly string[], changes?: Partial<ContainerConfig>): Promise<Container>;
  /** The log of a container to its end. */
  log(id: string): Promise<string>;
  /** Lets go of everything, so that another process may open the root; `reopen` comes next. */
  suspend(): Promise<void>;
  /** Lets go of the engine and opens it anew on the same root. */
  reopen(): Promise<void>;
  /** Removes every container, lets go of everything, and fails when anything is left on the host. */
  end(): Promise<void>;
}

/** The bridge that a test's containers are plugged into by default. */
export const TEST_BRIDGE = { name: "gtest0", address: "10.213.0.1/24" };

export interface EngineHost {
  readonly images: ImageStore;
  readonly networks: Networks;
  readonly engine: Engine;
}

/** Opens the three rooms on a root. */
export async function openEngineOn(root: string, logger: Logger = silentLogger): Promise<EngineHost> {
  const dataDir = join(root, "data");
  const runDir = join(root, "run");
  for (const directory of [dataDir, runDir]) mkdirSync(directory, { recursive: true, mode: 0o710 });
  const images = await openImages({ dataDir, logger });
  const networks = await openNetworks({
    stateDir: join(dataDir, "network"),
    instance: "test",
    defaultBridge: TEST_BRIDGE,
    logger,
  });
  return { images, networks, engine: await openEngine({ dataDir, runDir, images, networks, logger }) };
}

export async function closeEngineHost({ engine, networks, images }: EngineHost): Promise<void> {
  await engine.close();
  await networks.close();
  await images.close();
}

/** For the busybox image that every test engine has. Call `enterFreshHost` before. */
export async function startEngine(logger: Logger = silentLogger): Promise<TestEngine> {
  const root = await mkdtemp(join(tmpdir(), "gantry-engine-"));
  const cgroupParent = `/${basename(root)}`;
  const before = hostSnapshot({ root, cgroupParent });
  let host = await openEngineOn(root, logger);
  await host.images.load(createReadStream(await testImage("busybox")));
  const imageId = host.images.get("busybox").id;
  const events: EngineEvent[] = [];
  let suspended = false;
  const listen = (): void => void host.engine.events((event) => events.push(event));
  listen();
  const test: TestEngine = {
    root,
    cgroupParent,
    events,
    get engine() {
      return host.engine;
    },
    get images() {
      return host.images;
    },
    get networks() {
      return host.networks;
    },
    config: (args, changes = {}) => ({ ...containerConfig(args, imageId, cgroupParent), ...changes }),
    async run(args, changes) {
      const { id } = await host.engine.create(test.config(args, changes));
      await host.engine.start(id);
      return host.engine.get(id);
    },
    async log(id) {
      const options = { stdout: true, stderr: true, follow: true, timestamps: false, framing: "raw" } as const;
      return text(await host.engine.logs(id, options));
    },
    async suspend() {
      await closeEngineHost(host);
      suspended = true;
    },
    async reopen() {
      if (!suspended) await closeEngineHost(host);
      suspended = false;
      host = await openEngineOn(root, logger);
      listen();
    },
    async end() {
      // A test may have failed between the two.
      if (suspended) await test.reopen();
      for (const { id } of host.engine.list()) await host.engine.remove(id, { force: true, volumes: true });
      await host.networks.dismantle();
      await closeEngineHost(host);
      await openCgroup(cgroupParent).remove();
      await assertNothingLeft(before, { root, cgroupParent });
      await rm(root, { recursive: true, force: true });
    },
  };
  return test;
}

/** All that a stream gives. */
export async function text(stream: Readable): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString("utf8");
}

/** Takes Docker's frames apart: what came on each stream. */
export function demultiplex(bytes: Buffer): { stdout: string; stderr: string } {
  const parts = { stdout: "", stderr: "" };
  for (let at = 0; at + 8 <= bytes.length;) {
    const length = bytes.readUInt32BE(at + 4);
    parts[bytes[at] === 2 ? "stderr" : "stdout"] += bytes.toString("utf8", at + 8, at + 8 + length);
    at += 8 + length;
  }
  return parts;
}

export function containerConfig(args: readonly string[], imageId: string, cgroupParent: string): ContainerConfig {
  return {
    image: "busybox",
    imageId,
    args,
    env: [],
    workingDir: "/",
    user: "",
    hostname: "",
    terminal: false,
    stdin: "none",
    labels: {},
    mounts: [],
    readonlyRoot: false,
    namespaces: {
      network: { kind: "none" },
      pid: { kind: "new" },
      ipc: { kind: "private" },
      uts: { kind: "new" },
      cgroup: "private",
    },
    networks: [],
    resources: {},
    cgroupParent,
    oomScoreAdj: 0,
    security: { privileged: false, capabilities: DEFAULT_CAPABILITIES, noNewPrivileges: false },
    shmBytes: 64 * 1024 * 1024,
    restartPolicy: { kind: "no" },
    autoRemove: false,
    stopSignal: 15,
    log: { driver: "json-file", maxBytes: 0, maxFiles: 1 },
  };
}
