// Decisions alone, without an API: node decisions.ts [NODES]. Measured in processor time, so that a busy machine does not matter.
import { seededRandom } from "#base/random.ts";
import { clusterState } from "../../src/kube-control/scheduler/cluster/cluster-state.ts";
import { setNode } from "../../src/kube-control/scheduler/cluster/nodes.ts";
import { place } from "../../src/kube-control/scheduler/cluster/placements.ts";
import { podInfo } from "../../src/kube-control/scheduler/cluster/pod-info.ts";
import { decide } from "../../src/kube-control/scheduler/framework/decide.ts";
import { likePods } from "../../src/kube-control/scheduler/framework/like-pods.ts";
import { testProfile } from "../../src/kube-control/scheduler/test/profile.ts";
import { nodeOf, podOf, type PodName } from "./templates.ts";

const KINDS: readonly PodName[] = [
  "default",
  "antiAffinity",
  "affinity",
  "preferredAffinity",
  "preferredAntiAffinity",
  "nodeAffinity",
  "daemonset",
  "topologySpreading",
  "preferredTopologySpreading",
  "affinityNsSelector",
  "antiAffinityNsSelector",
];
const PODS = 2000;
const nodeCount = Number(process.argv[2] ?? 5000);

for (const kind of KINDS) {
  const cluster = clusterState();
  const zones =
    kind.startsWith("topology") || kind.startsWith("preferredTopology") ? ["moon-1", "moon-2", "moon-3"] : ["zone1"];
  for (let number = 0; number < nodeCount; number++) {
    const name = number === 0 ? "scheduler-perf-node" : `node-${number}`;
    setNode(cluster, nodeOf(name, { "topology.kubernetes.io/zone": zones[number % zones.length] ?? "" }));
  }
  const profile = testProfile(cluster, {
    namespaces: { "sched-0": { team: "devops" }, "sched-1": { team: "devops" } },
  });
  const memory = likePods(profile);
  const random = seededRandom(1);
  const micros: number[] = [];
  let refused = 0;
  for (let number = 0; number < PODS; number++) {
    const pod = podOf(kind, `p${number}`, number % 2 === 0 ? "sched-0" : "sched-1");
    pod.metadata.uid = pod.metadata.name;
    const before = process.threadCpuUsage();
    const info = podInfo(pod);
    const decision = decide(profile, { cluster, pod: info }, random, memory);
    if (decision.kind === "placed") place(cluster, info, decision.nodeName);
    else refused++;
    const { user, system } = process.threadCpuUsage(before);
    micros.push(user + system);
  }
  const sorted = micros.toSorted((a, b) => a - b);
  const mean = micros.reduce((sum, each) => sum + each, 0) / PODS;
  const at = (share: number): number => sorted[Math.floor(PODS * share)] ?? 0;
  console.log(
    `${kind.padEnd(28)} ${nodeCount} nodes: mean ${mean.toFixed(0)} µs, median ${at(0.5)} µs, p99 ${at(0.99)} µs, ${Math.round(1e6 / mean)} decisions/s${refused > 0 ? `, ${refused} refused` : ""}`,
  );
}
