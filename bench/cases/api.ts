// The load of issue 5, over HTTPS against a server in a process of its own: an API server on SQLite, and the controllers.
import type { ConnectionOptions } from "node:tls";
import { benchServers, type BenchServer, type BenchServers } from "../support/api-server.ts";
import { openConnection, openWatch, type HttpConnection, type WatchConnection } from "../support/http-connection.ts";
import { time, type Case, type Measurement } from "../measure.ts";

export const cases: readonly Case[] = [{ name: "api server over HTTPS", run: load }];

const PODS = 5000;
const WATCHERS = 50;
const MANY_WATCHERS = 1000;
const CONNECTIONS = 32;
const PATH = "/api/v1/namespaces/default/pods";

async function load(): Promise<Measurement[]> {
  const servers = await benchServers();
  try {
    const server = await servers.start((process.env["BENCH_NODE_FLAGS"] ?? "").split(" ").filter(Boolean));
    const results = await loadServer(server);
    await server.stop();
    return [...results, ...(await filledStarts(servers))];
  } finally {
    await servers.remove();
  }
}

/** From the bundle's import to an answering API, and to working controllers; the pods' changes are in the store's history too. */
async function filledStarts(servers: BenchServers): Promise<Measurement[]> {
  const server = await servers.start();
  const clients = await Promise.all(Array.from({ length: CONNECTIONS }, () => openConnection(server.connection)));
  await rate(clients, PODS, (index) => ["POST", PATH, podText(index)]);
  for (const each of clients) each.close();
  await server.stop();
  const readyMs = async (bare: boolean): Promise<number> => {
    const again = await servers.start([], bare);
    await again.stop();
    return again.readyMs;
  };
  const api: number[] = [];
  const controllers: number[] = [];
  for (let round = 0; round < 3; round++) {
    api.push(await readyMs(true));
    controllers.push(await readyMs(false));
  }
  return [
    { name: `start with ${PODS} pods: the API answers`, unit: "ms", values: api, goal: "300 ms" },
    { name: `start with ${PODS} pods: the controllers work`, unit: "ms", values: controllers },
  ];
}

async function loadServer(server: BenchServer): Promise<Measurement[]> {
  const { connection } = server;
  const clients = await Promise.all(Array.from({ length: CONNECTIONS }, () => openConnection(connection)));
  const client = clients[0] as HttpConnection;
  const run = (name: string, count: number, goal: string, call: (index: number) => Call): Promise<Measurement[]> =>
    server.profiled(name, () => phase(server, clients, name, count, goal, call));
  const idle = await server.memoryMib();
  const watchers = await watchAll(connection, WATCHERS);
  const creates = await run("creates with 50 watchers", PODS, "3120 /s", (index) => ["POST", PATH, podText(index)]);
  await drained(watchers, PODS);
  for (const watcher of watchers) watcher.close();
  const memory = await server.memoryMib();
  const gets = await run("gets", 20_000, "11120 /s", (index) => ["GET", `${PATH}/pod-${index % PODS}`]);
  const lists = await time(20, () => client.send("GET", PATH), 3);
  const label = (index: number): string => `${PATH}?labelSelector=app%3Dapp-${Math.abs(index) % 10}`;
  const byLabel = await time(20, (index) => client.send("GET", label(index)), 3);
  const patches = await run("patches", PODS, "4856 /s", (index) => [
    "PATCH",
    `${PATH}/pod-${index}`,
    `{"metadata":{"annotations":{"touched":"${index}"}}}`,
    "application/merge-patch+json",
  ]);
  const many = await server.profiled("watchers", () => busyResource(server, clients));
  const deletes = await run("deletes", PODS, "4256 /s", (index) => ["DELETE", `${PATH}/pod-${index}`]);
  const after = await server.memoryMib();
  for (const each of clients) each.close();
  return [
    ...creates,
    ...gets,
    { name: `list of ${PODS} pods`, unit: "ms", values: lists, goal: "30 ms" },
    { name: "list by label (a tenth)", unit: "ms", values: byLabel, goal: "8 ms" },
    ...patches,
    ...deletes,
    { name: `events to ${MANY_WATCHERS} watchers of one resource`, unit: "/s", values: [many] },
    { name: "resident memory, empty", unit: "MiB", values: [idle] },
    { name: `resident memory, ${PODS} pods`, unit: "MiB", values: [memory], goal: "150 MiB" },
    { name: "resident memory, after all of it", unit: "MiB", values: [after] },
  ];
}

/** How many requests per second, and what one costs the server: the second is less moved by what else the machine does. */
async function phase(
  server: BenchServer,
  clients: readonly HttpConnection[],
  name: string,
  count: number,
  goal: string,
  call: (index: number) => Call,
): Promise<Measurement[]> {
  const before = await server.processorMs();
  const perSecond = await rate(clients, count, call);
  const spent = ((await server.processorMs()) - before) / count;
  return [
    { name, unit: "/s", values: [perSecond], goal },
    { name: `${name}: the server's processor time of one`, unit: "ms", values: [spent] },
  ];
}

/** Every watcher gets every event, or this never ends. */
async function busyResource(server: BenchServer, clients: readonly HttpConnection[]): Promise<number> {
  const path = "/api/v1/namespaces/default/configmaps";
  const watchers = await watchAll(server.connection, MANY_WATCHERS, `${path}?watch=1`);
  const started = performance.now();
  const count = 1000;
  await rate(clients, count, (index) => ["POST", path, configMapText(index)]);
  await drained(watchers, count);
  const seconds = (performance.now() - started) / 1000;
  for (const watcher of watchers) watcher.close();
  return (count * MANY_WATCHERS) / seconds;
}

type Call = readonly [method: string, path: string, body?: string, type?: string];

/** Requests per second when every connection sends its next request once it has its answer. */
async function rate(clients: readonly HttpConnection[], count: number, call: (index: number) => Call): Promise<number> {
  let next = 0;
  const started = performance.now();
  await Promise.all(
    clients.map(async (client) => {
      while (next < count) {
        const wanted = call(next++);
        const { status } = await client.send(...wanted);
        if (status >= 300) throw new Error(`${wanted[0]} ${wanted[1]}: ${status}`);
      }
    }),
  );
  return count / ((performance.now() - started) / 1000);
}

/** One of them counts its events; the others must get as many bytes as it. */
async function watchAll(
  connection: ConnectionOptions,
  count: number,
  path = `${PATH}?watch=1`,
): Promise<WatchConnection[]> {
  const watchers: WatchConnection[] = [];
  for (let index = 0; index < count; index += 50) {
    const some = Array.from({ length: Math.min(50, count - index) }, (_, at) =>
      openWatch(connection, path, index + at === 0),
    );
    watchers.push(...(await Promise.all(some)));
  }
  return watchers;
}

async function drained(watchers: readonly WatchConnection[], events: number): Promise<void> {
  const [first] = watchers;
  for (let tries = 0; tries < 3000; tries++) {
    const bytes = first?.bytes();
    if (
      (first?.events() ?? 0) >= events &&
      watchers.every((watcher) => Math.abs(watcher.bytes() - (bytes ?? 0)) < 16_384)
    )
      return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`watchers got ${first?.events()} of ${events} events`);
}

function configMapText(index: number): string {
  return JSON.stringify({
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: `map-${index}` },
    data: { key: "x".repeat(200) },
  });
}

/** About 2 KiB once it is stored. */
function podText(index: number): string {
  return JSON.stringify({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: `pod-${index}`, labels: { app: `app-${index % 10}`, index: String(index) } },
    spec: {
      containers: [
        {
          name: "main",
          image: "registry.example.com/team/service:v1",
          ports: [{ containerPort: 8080 }],
          env: [{ name: "LEVEL", value: "info" }],
          resources: { requests: { cpu: "100m", memory: "64Mi" }, limits: { memory: "128Mi" } },
        },
      ],
    },
  });
}
