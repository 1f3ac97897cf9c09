// The longest pause of the API server's event loop with 100,000 objects: one client's large answers are the others' waiting.
import { encodeDocument } from "#kube-api/registry/document.ts";
import { openSqliteStore } from "#store/sqlite.ts";
import { benchServers, type BenchServer } from "../support/api-server.ts";
import { openConnection, openWatch, type HttpConnection } from "../support/http-connection.ts";
import type { Case, Measurement } from "../measure.ts";

export const cases: readonly Case[] = [{ name: "pauses with 100000 objects", run: pauses }];

const OBJECTS = 100_000;
const AT_ONCE = 10_000;
const ROUNDS = 3;
const PATH = "/api/v1/configmaps";
const GOAL = "50 ms";

async function pauses(): Promise<Measurement[]> {
  const servers = await benchServers();
  try {
    await fill(servers.file);
    const server = await servers.start([], true);
    const client = await openConnection(server.connection);
    const results = [
      await longest(server, "list", () => client.send("GET", PATH)),
      await longest(server, "list by label", () => client.send("GET", `${PATH}?labelSelector=app%3Dapp-1`)),
      await longest(server, "pages of 500", () => pages(client)),
      await longest(server, "first state of a watch", () => firstState(server)),
    ];
    client.close();
    await server.stop();
    return results;
  } finally {
    await servers.remove();
  }
}

async function longest(server: BenchServer, name: string, run: () => Promise<unknown>): Promise<Measurement> {
  const values: number[] = [];
  await server.longestPauseMs();
  for (let round = 0; round < ROUNDS; round++) {
    await run();
    values.push(await server.longestPauseMs());
  }
  return { name: `longest pause: ${name}`, unit: "ms", values, goal: GOAL };
}

async function pages(client: HttpConnection): Promise<void> {
  for (let page = 0; page < 20; page++) await client.send("GET", `${PATH}?limit=500`);
}

async function firstState({ connection }: BenchServer): Promise<void> {
  const watch = await openWatch(connection, `${PATH}?watch=1`, true);
  while (watch.events() < OBJECTS) await new Promise((resolve) => setTimeout(resolve, 10));
  watch.close();
}

/** Straight into the store: over HTTPS it would take minutes. */
async function fill(file: string): Promise<void> {
  const store = await openSqliteStore(file);
  for (let first = 0; first < OBJECTS; first += AT_ONCE) {
    const some = Array.from({ length: AT_ONCE }, (_, index) => first + index);
    await Promise.all(
      some.map((number) => {
        const name = `map-${number}`;
        const metadata = { name, namespace: "default", uid: `uid-${number}`, labels: { app: `app-${number % 100}` } };
        const object = { kind: "ConfigMap", apiVersion: "v1", metadata, data: { key: "x".repeat(300) } };
        const { bytes } = encodeDocument(object);
        return store.commit({ kind: "put", key: `/registry/configmaps/default/${name}`, value: bytes, expect: 0 });
      }),
    );
  }
  await store.close();
}
