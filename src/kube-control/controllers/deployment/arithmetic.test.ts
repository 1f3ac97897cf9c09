// The numbers of rolling updates, as tables.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Deployment, ReplicaSet } from "#formats/kube-types.generated.ts";
import { maxSurge, maxUnavailable, newReplicaSetSize, shrinkOld } from "./arithmetic.ts";
import { planScaling } from "./proportional.ts";

type Limit = number | string;

function deployment(replicas: number, surge: Limit, unavailable: Limit): Deployment {
  const strategy = { type: "RollingUpdate", rollingUpdate: { maxSurge: surge, maxUnavailable: unavailable } };
  return { metadata: { name: "d" }, spec: { replicas, strategy, selector: {}, template: {} } };
}

/** `size/available`, with `!` when its controller has not seen its size yet. */
function set(name: string, text: string, annotations?: [desired: number, max: number]): ReplicaSet {
  const [size = 0, available = 0] = text.replace("!", "").split("/").map(Number);
  const generation = text.endsWith("!") ? 2 : 1;
  const own = annotations && {
    "deployment.kubernetes.io/desired-replicas": String(annotations[0]),
    "deployment.kubernetes.io/max-replicas": String(annotations[1]),
  };
  return {
    metadata: { name, generation, annotations: own, creationTimestamp: `2026-01-01T00:00:0${name.length}Z` },
    spec: { replicas: size, selector: {} },
    status: { replicas: Math.max(size, available), availableReplicas: available, observedGeneration: 1 },
  };
}

describe("limits", () => {
  const table: [
    replicas: number,
    surge: Limit,
    unavailable: Limit,
    expectedSurge: number,
    expectedUnavailable: number,
  ][] = [
    [10, "25%", "25%", 3, 2],
    [10, 0, 0, 0, 1],
    [1, "25%", "25%", 1, 0],
    [4, "0%", "10%", 0, 1],
    [5, 2, 10, 2, 5],
    [0, "25%", "25%", 0, 0],
  ];
  for (const [replicas, surge, unavailable, expectedSurge, expectedUnavailable] of table) {
    test(`${replicas} replicas, ${surge} surge, ${unavailable} unavailable`, () => {
      const given = deployment(replicas, surge, unavailable);
      assert.deepEqual([maxSurge(given), maxUnavailable(given)], [expectedSurge, expectedUnavailable]);
    });
  }
});

describe("the new replica set grows", () => {
  const table: [what: string, replicas: number, surge: Limit, old: string[], current: number, expected: number][] = [
    ["by the surge", 10, 3, ["10/10"], 0, 3],
    ["by what old ones lost", 10, 3, ["8/8"], 3, 5],
    ["not while there is no room", 10, 0, ["10/10"], 0, 0],
    ["at most to what is wanted", 10, 5, ["2/2"], 9, 10],
    ["not before old ones have seen their size", 10, 3, ["8/10!"], 3, 3],
    ["counting old pods that are still there", 10, 3, ["8/10"], 3, 3],
  ];
  for (const [what, replicas, surge, old, current, expected] of table) {
    test(what, () => {
      const sets = old.map((text, index) => set("o".repeat(index + 1), text));
      assert.equal(newReplicaSetSize(deployment(replicas, surge, 0), sets, current), expected);
    });
  }
});

describe("old replica sets shrink", () => {
  const table: [
    what: string,
    replicas: number,
    unavailable: number,
    newOne: string,
    old: string[],
    expected: number[],
  ][] = [
    ["as far as the new one is available", 10, 2, "5/5", ["8/8"], [3]],
    ["not for new pods that are not available", 10, 0, "5/0", ["8/8"], [8]],
    ["to the minimum when nothing new is there", 10, 2, "0/0", ["10/10"], [8]],
    ["pods that do not work first", 10, 2, "4/4", ["4/4", "8/4"], [0, 4]],
    ["the oldest first", 10, 5, "5/5", ["3/3", "3/3"], [0, 0]],
    ["not below the minimum even when the status is behind", 8, 1, "2/2", ["7/8"], [5]],
  ];
  for (const [what, replicas, unavailable, newOne, old, expected] of table) {
    test(what, () => {
      const sets = old.map((text, index) => set("o".repeat(index + 1), text));
      const resizes = shrinkOld(deployment(replicas, 0, unavailable), set("new", newOne), sets);
      const sizes = sets.map(
        (each) => resizes.find(({ replicaSet }) => replicaSet === each)?.to ?? each.spec?.replicas,
      );
      assert.deepEqual(sizes, expected);
    });
  }
});

describe("scaling in the middle of a rollout is shared in proportion", () => {
  const table: [
    what: string,
    replicas: number,
    surge: number,
    before: [number, number],
    newOne: string,
    old: string[],
    expected: number[],
  ][] = [
    ["up", 15, 0, [10, 10], "5/5", ["5/5"], [8, 7]],
    ["down", 5, 0, [10, 10], "5/5", ["5/5"], [3, 2]],
    ["with a surge", 20, 3, [10, 13], "8/3", ["5/5"], [14, 9]],
    ["to nothing", 0, 0, [10, 10], "5/5", ["3/3", "2/2"], [0, 0, 0]],
  ];
  for (const [what, replicas, surge, before, newOne, old, expected] of table) {
    test(what, () => {
      const fresh = set("newest", newOne, before);
      const sets = [fresh, ...old.map((text, index) => set("o".repeat(index + 1), text, before))];
      const resizes = planScaling(deployment(replicas, surge, 1), fresh, sets.slice(1));
      assert.deepEqual(
        sets.map((each) => resizes.find(({ replicaSet }) => replicaSet === each)?.to),
        expected,
      );
    });
  }
  test("with one replica set only, it takes all", () => {
    const [resize] = planScaling(deployment(7, 0, 1), set("new", "3/3"), [set("o", "0/0")]);
    assert.deepEqual([resize?.replicaSet.metadata.name, resize?.to], ["new", 7]);
  });
});
