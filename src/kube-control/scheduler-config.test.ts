import assert from "node:assert/strict";
import { test } from "node:test";
import { parse } from "yaml";
import { clusterState } from "./scheduler/cluster/cluster-state.ts";
import { testProfile } from "./scheduler/test/profile.ts";
import { readSchedulerConfig } from "./scheduler-config.ts";

const HEAD = "apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n";
const read = (yaml: string) => readSchedulerConfig(parse(HEAD + yaml));

test("an empty configuration is kube-scheduler's defaults", () => {
  const config = read("");
  assert.deepEqual(
    config.profiles.map(({ schedulerName }) => schedulerName),
    ["default-scheduler"],
  );
  assert.deepEqual(
    [config.podInitialBackoffMs, config.podMaxBackoffMs, config.leaderElection.resourceName],
    [1000, 10_000, "kube-scheduler"],
  );
  const profile = testProfile(clusterState(), { config: config.profiles[0] });
  assert.deepEqual(
    profile.scores.map(({ plugin, weight }) => `${plugin.name} ${weight}`),
    [
      "TaintToleration 3",
      "NodeAffinity 2",
      "NodeResourcesFit 1",
      "PodTopologySpread 2",
      "InterPodAffinity 2",
      "NodeResourcesBalancedAllocation 1",
      "ImageLocality 1",
    ],
  );
  assert.deepEqual(
    profile.filters.map(({ name }) => name),
    [
      "NodeUnschedulable",
      "NodeName",
      "TaintToleration",
      "NodeAffinity",
      "NodePorts",
      "NodeResourcesFit",
      "VolumeRestrictions",
      "NodeVolumeLimits",
      "VolumeBinding",
      "VolumeZone",
      "PodTopologySpread",
      "InterPodAffinity",
    ],
  );
});

test("plugins are left out, added and weighed at their points", () => {
  const { profiles, leaderElection } = read(`
leaderElection: {leaderElect: false, leaseDuration: 1m30s, resourceName: mine}
profiles:
- schedulerName: packing
  plugins:
    score: {disabled: [{name: "*"}], enabled: [{name: NodeResourcesFit, weight: 5}]}
    postFilter: {disabled: [{name: DefaultPreemption}]}
  pluginConfig:
  - name: NodeResourcesFit
    args: {scoringStrategy: {type: MostAllocated, resources: [{name: cpu, weight: 1}]}}
`);
  const profile = testProfile(clusterState(), { config: profiles[0] });
  assert.equal(profile.schedulerName, "packing");
  assert.deepEqual(
    profile.scores.map(({ plugin, weight }) => `${plugin.name} ${weight}`),
    ["NodeResourcesFit 5"],
  );
  assert.equal(profile.postFilters.length, 0);
  assert.ok(profile.filters.length > 5, "filters stay");
  assert.deepEqual(
    [leaderElection.leaderElect, leaderElection.leaseDurationMs, leaderElection.resourceName],
    [false, 90_000, "mine"],
  );
});

const WRONG: [what: string, yaml: string, message: RegExp][] = [
  ["an unknown field", "profile: []", /unknown field "profile"/],
  ["an unknown point", "profiles: [{plugins: {filters: {}}}]", /unknown field "profiles\[0\].plugins.filters"/],
  ["a name twice", "profiles: [{schedulerName: a}, {schedulerName: a}]", /schedulerName "a" is there twice/],
  ["a bad percentage", "profiles: [{percentageOfNodesToScore: 120}]", /must be between 0 and 100/],
  ["a bad duration", "leaderElection: {leaseDuration: 5x}", /leaderElection.leaseDuration: 5x is not a duration/],
  ["an extender's field", "extenders: [{urlPrefix: 'http://x', filterVrb: f}]", /filterVrb/],
  ["an extender without weight", "extenders: [{urlPrefix: 'http://x', prioritizeVerb: p}]", /positive weight/],
  [
    "two binders",
    "extenders: [{urlPrefix: 'http://x', bindVerb: b}, {urlPrefix: 'http://y', bindVerb: b}]",
    /only one extender can implement bind/,
  ],
];
for (const [what, yaml, message] of WRONG)
  test(`refused by name: ${what}`, () => assert.throws(() => read(yaml), { message }));

const WRONG_ARGS: readonly (readonly [what: string, plugin: string, args: object, message: RegExp])[] = [
  ["an unknown field", "NodeAffinity", { added: {} }, /pluginConfig NodeAffinity: added is not supported/],
  ["a strategy", "NodeResourcesFit", { scoringStrategy: { type: "Best" } }, /Unsupported value: "Best"/],
  [
    "a curve out of order",
    "NodeResourcesFit",
    {
      scoringStrategy: {
        type: "RequestedToCapacityRatio",
        requestedToCapacityRatio: {
          shape: [
            { utilization: 50, score: 1 },
            { utilization: 20, score: 3 },
          ],
        },
      },
    },
    /sorted in increasing order/,
  ],
  ["a weight", "InterPodAffinity", { hardPodAffinityWeight: 101 }, /not in valid range \[0, 100\]/],
  [
    "a weight that is not 1",
    "NodeResourcesBalancedAllocation",
    { resources: [{ name: "cpu", weight: 2 }] },
    /must be 1/,
  ],
  [
    "constraints without List",
    "PodTopologySpread",
    { defaultConstraints: [{ topologyKey: "zone", maxSkew: 1, whenUnsatisfiable: "ScheduleAnyway" }] },
    /when .defaultConstraints are not empty/,
  ],
  [
    "no candidates",
    "DefaultPreemption",
    { minCandidateNodesPercentage: 0, minCandidateNodesAbsolute: 0 },
    /at the same time/,
  ],
  ["a time", "VolumeBinding", { bindTimeoutSeconds: -1 }, /not in valid range/],
];
for (const [what, plugin, args, message] of WRONG_ARGS) {
  test(`arguments are refused: ${what}`, () => {
    const config = { schedulerName: "s", pluginConfig: { [plugin]: args } };
    assert.throws(() => testProfile(clusterState(), { config }), { message });
  });
}

test("what is enabled at a point comes first there, in its order; binding and queue order need a plugin", () => {
  const plugins = { score: { enabled: [{ name: "ImageLocality", weight: 7 }, { name: "NodeAffinity" }] } };
  const profile = testProfile(clusterState(), { config: { plugins } });
  assert.deepEqual(
    profile.scores.slice(0, 3).map(({ plugin, weight }) => `${plugin.name} ${weight}`),
    ["ImageLocality 7", "NodeAffinity 2", "TaintToleration 3"],
  );
  const without = (name: string, point: string) => () =>
    testProfile(clusterState(), { config: { plugins: { [point]: { disabled: [{ name }] } } } });
  assert.throws(without("DefaultBinder", "bind"), { message: /at least one bind plugin is needed/ });
  assert.throws(without("PrioritySort", "queueSort"), { message: /exactly one queue sort plugin is needed, not none/ });
});

test("a plugin that does not exist, and another kind of document, are refused", () => {
  const { profiles } = read("profiles: [{plugins: {score: {enabled: [{name: Nope}]}}}]");
  assert.throws(() => testProfile(clusterState(), { config: profiles[0] }), {
    message: /plugin "Nope" does not exist/,
  });
  assert.throws(() => readSchedulerConfig({ apiVersion: "v1", kind: "Pod" }), { code: "invalid" });
});
