// @kubernetes/client-node against the API server: typed calls, watch and informers over a restart.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { CoreV1Api, KubeConfig, makeInformer, Watch, type V1Pod } from "@kubernetes/client-node";
import { createApiServer } from "#kube-api/server.ts";
import { clusterCertificates } from "#kube-api/certificates.ts";
import { kubeconfigText } from "#kube-api/kubeconfig.ts";
import { openSqliteStore } from "#store/sqlite.ts";
import { startApiServer } from "#test/api-server.ts";

const pod = (name: string, labels: Record<string, string> = {}): V1Pod => ({
  metadata: { name, labels },
  spec: { containers: [{ name: "c", image: "busybox" }] },
});

function configOf(path: string): KubeConfig {
  const config = new KubeConfig();
  config.loadFromFile(path);
  return config;
}

/** Resolves when `test` holds, which is looked at whenever `poke` is called. */
function until(): { poke(): void; wait(test: () => boolean, what: string): Promise<void> } {
  let check: (() => void) | undefined;
  return {
    poke: () => check?.(),
    wait: (test, what) =>
      new Promise((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error(`timed out: ${what}`)), 15_000);
        check = () => {
          if (!test()) return;
          clearTimeout(timer);
          resolve();
        };
        check();
      }),
  };
}

describe("client-node", () => {
  it("creates, lists, replaces and deletes", async (t) => {
    const { kubeconfig } = await startApiServer(t);
    const api = configOf(kubeconfig).makeApiClient(CoreV1Api);
    const created = await api.createNamespacedPod({ namespace: "default", body: pod("a", { app: "x" }) });
    assert.equal(created.status?.phase, "Pending");
    const list = await api.listNamespacedPod({ namespace: "default", labelSelector: "app=x" });
    assert.deepEqual(
      list.items.map((item) => item.metadata?.name),
      ["a"],
    );
    created.metadata = { ...created.metadata, annotations: { seen: "yes" } };
    const replaced = await api.replaceNamespacedPod({ name: "a", namespace: "default", body: created });
    assert.equal(replaced.metadata?.annotations?.["seen"], "yes");
    await assert.rejects(
      api.replaceNamespacedPod({ name: "a", namespace: "default", body: created }),
      /the object has been modified/,
    );
    await api.deleteNamespacedPod({ name: "a", namespace: "default" });
    await assert.rejects(api.readNamespacedPod({ name: "a", namespace: "default" }), /pods .+a.+ not found/);
  });

  it("pages through a list at one revision", async (t) => {
    const { kubeconfig } = await startApiServer(t);
    const api = configOf(kubeconfig).makeApiClient(CoreV1Api);
    for (let index = 0; index < 7; index++)
      await api.createNamespacedPod({ namespace: "default", body: pod(`p${index}`) });
    const first = await api.listNamespacedPod({ namespace: "default", limit: 3 });
    assert.equal(first.metadata?.remainingItemCount, 4);
    await api.deleteNamespacedPod({ name: "p6", namespace: "default" });
    const names: (string | undefined)[] = [];
    for (let page = first; ;) {
      names.push(...page.items.map((item) => item.metadata?.name));
      const token = page.metadata?._continue;
      if (!token) break;
      page = await api.listNamespacedPod({ namespace: "default", limit: 3, _continue: token });
    }
    assert.deepEqual(names, ["p0", "p1", "p2", "p3", "p4", "p5", "p6"]);
  });

  it("watches from a revision, and with the list in the stream", async (t) => {
    const { kubeconfig } = await startApiServer(t);
    const config = configOf(kubeconfig);
    const api = config.makeApiClient(CoreV1Api);
    await api.createNamespacedPod({ namespace: "default", body: pod("before") });
    const seen: string[] = [];
    const changes = until();
    const query = { sendInitialEvents: true, resourceVersionMatch: "NotOlderThan", allowWatchBookmarks: true };
    const watch = await new Watch(config).watch(
      "/api/v1/namespaces/default/pods",
      query,
      (type, object: V1Pod) => {
        const end = object.metadata?.annotations?.["k8s.io/initial-events-end"];
        seen.push(`${type} ${end ? "end" : object.metadata?.name}`);
        changes.poke();
      },
      () => changes.poke(),
    );
    t.after(() => watch.abort());
    await changes.wait(() => seen.includes("BOOKMARK end"), "the end of the list");
    await api.createNamespacedPod({ namespace: "default", body: pod("after") });
    await api.deleteNamespacedPod({ name: "before", namespace: "default" });
    await changes.wait(() => seen.length === 4, "two changes");
    assert.deepEqual(seen, ["ADDED before", "BOOKMARK end", "ADDED after", "DELETED before"]);
  });

  it("keeps an informer right over a restart of the server", async (t) => {
    const folder = mkdtempSync(join(tmpdir(), "gantry-informer-"));
    t.after(() => rmSync(folder, { recursive: true, force: true }));
    const certificates = clusterCertificates({ names: [] });
    const first = await startOn(t, folder, certificates, 0);
    const path = join(folder, "kubeconfig");
    writeFileSync(
      path,
      kubeconfigText({
        server: `https://127.0.0.1:${first.port}`,
        caCert: certificates.caCert,
        credentials: certificates.client("admin", ["system:masters"]),
      }),
    );
    const config = configOf(path);
    const api = config.makeApiClient(CoreV1Api);
    const informer = makeInformer<V1Pod>(config, "/api/v1/namespaces/default/pods", () =>
      api.listNamespacedPod({ namespace: "default" }),
    );
    let ended = false;
    const changes = until();
    for (const event of ["add", "update", "delete"] as const) informer.on(event, changes.poke);
    informer.on(
      "error",
      () => void (ended || setTimeout(() => void (ended || informer.start().catch(() => undefined)), 200)),
    );
    await api.createNamespacedPod({ namespace: "default", body: pod("a") });
    await informer.start();
    const names = (): string =>
      informer
        .list()
        .map((item) => item.metadata?.name)
        .toSorted()
        .join();
    await changes.wait(() => names() === "a", "the first list");
    await first.close();
    const second = await startOn(t, folder, certificates, first.port);
    assert.equal(second.port, first.port);
    await retry(() => api.createNamespacedPod({ namespace: "default", body: pod("b") }));
    await api.deleteNamespacedPod({ name: "a", namespace: "default" });
    await changes.wait(() => names() === "b", "changes after the restart");
    ended = true;
    await informer.stop();
  });
});

async function startOn(
  t: TestContext,
  folder: string,
  certificates: ReturnType<typeof clusterCertificates>,
  port: number,
) {
  const store = await openSqliteStore(join(folder, "state.db"));
  const server = createApiServer({ store, certificates });
  await server.start();
  const listener = await server.listen({ port });
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => (closing ??= server.close().then(() => store.close()));
  t.after(close);
  return { port: listener.port, close };
}

async function retry<T>(run: () => Promise<T>, tries = 20): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await run();
    } catch (error) {
      if (attempt === tries) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}
