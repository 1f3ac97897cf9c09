// A writer that loses its race is run again on what the other left, and told of the conflict when it loses a hundred in a row.
import assert from "node:assert/strict";
import { it, type TestContext } from "node:test";
import { isGantryError } from "#base/errors.ts";
import type { KubeObject } from "#formats/kube-object.ts";
import { RESOURCES } from "#formats/kube-resources.ts";
import type { KubeClient, Patch } from "#kube-client/client.ts";
import { createCluster } from "#main/create-cluster.ts";
import { memoryStore } from "#store/memory.ts";
import type { Store } from "#store/store.ts";

const KEY = /\/configmaps\/default\/contested$/;
const PATCH: Patch = { type: "merge", body: { data: { by: "us" } } };

/** Someone writes the object just before each of the next `losses` writes of it. */
interface Rival {
  losses: number;
}

function contested(store: Store, rival: Rival): Store {
  return {
    ...store,
    get revision() {
      return store.revision;
    },
    get compactedRevision() {
      return store.compactedRevision;
    },
    async commit(operation) {
      const present = KEY.test(operation.key) ? await store.get(operation.key) : undefined;
      if (present && rival.losses > 0) {
        rival.losses--;
        await store.commit({ kind: "put", key: present.key, value: present.value });
      }
      return store.commit(operation);
    },
  };
}

async function setUp(t: TestContext): Promise<{ client: KubeClient; rival: Rival }> {
  const rival = { losses: 0 };
  const cluster = await createCluster({ store: contested(memoryStore(), rival), controllers: [], scheduler: false });
  t.after(() => cluster.close());
  const object: KubeObject = {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: "contested", namespace: "default" },
  };
  await cluster.client.create(RESOURCES.configmaps, object);
  return { client: cluster.client, rival };
}

const isConflict = (error: unknown): boolean =>
  isGantryError(error, "conflict") && error.message.includes("the object has been modified");

it("a deletion that loses 99 races is done, one that loses 100 is a conflict", async (t) => {
  const { client, rival } = await setUp(t);
  rival.losses = 100;
  await assert.rejects(client.delete(RESOURCES.configmaps, "default", "contested"), isConflict);
  assert.equal(rival.losses, 0);
  rival.losses = 99;
  await client.delete(RESOURCES.configmaps, "default", "contested");
  assert.equal(rival.losses, 0);
  await assert.rejects(client.get(RESOURCES.configmaps, "default", "contested"), (error) =>
    isGantryError(error, "not-found"),
  );
});

it("a patch that loses 99 races is done, one that loses 100 is a conflict", async (t) => {
  const { client, rival } = await setUp(t);
  const patch = () => client.patch(RESOURCES.configmaps, "default", "contested", PATCH);
  rival.losses = 100;
  await assert.rejects(patch(), isConflict);
  rival.losses = 99;
  const patched = await patch();
  assert.deepEqual(patched.data, { by: "us" });
  assert.equal(rival.losses, 0);
});
