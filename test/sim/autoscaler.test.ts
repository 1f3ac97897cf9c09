// The HorizontalPodAutoscaler on simulated use, on virtual time.
import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { virtualClock, type VirtualClock } from "../../src/base/clock.ts";
import { RESOURCES } from "../../src/formats/kube-resources.ts";
import type { HorizontalPodAutoscaler, MetricSpec, Pod } from "../../src/formats/kube-types.generated.ts";
import { createCluster, type Cluster } from "../../src/main/create-cluster.ts";
import { deployment, requests, podSpec } from "./support/cluster.ts";
import { advanceUntil, settle } from "./support/virtual-time.ts";

const CPU = "simulated.gantry.dev/cpu";
const HALF: MetricSpec = {
  type: "Resource",
  resource: { name: "cpu", target: { type: "Utilization", averageUtilization: 50 } },
};

interface Lab {
  readonly cluster: Cluster;
  readonly clock: VirtualClock;
  autoscaler(): HorizontalPodAutoscaler | undefined;
  replicas(): number | undefined;
  /** What each pod uses from now on. */
  load(cpu: string): Promise<void>;
  reason(type: string): string;
  events(reason: string): string[];
}

async function lab(
  t: TestContext,
  spec: Partial<NonNullable<HorizontalPodAutoscaler["spec"]>>,
  pod = podSpec(requests("200m")),
  replicas = 1,
): Promise<Lab> {
  const clock = virtualClock();
  const cluster = await createCluster({ clock, nodes: 2 });
  t.after(() => cluster.close());
  const { client, informers } = cluster;
  const template = { metadata: { labels: { app: "web" }, annotations: { [CPU]: "100m" } }, spec: pod };
  await client.create(RESOURCES.deployments, deployment("web", replicas, { template }));
  const autoscalers = informers.informer(RESOURCES.horizontalpodautoscalers);
  const deployments = informers.informer(RESOURCES.deployments);
  const pods = informers.informer(RESOURCES.pods);
  const events = informers.informer(RESOURCES.events);
  const status = () => deployments.cache.get("default/web")?.status;
  await advanceUntil(clock, "available", () => status()?.availableReplicas === replicas);
  await client.create(RESOURCES.horizontalpodautoscalers, {
    apiVersion: "autoscaling/v2",
    kind: "HorizontalPodAutoscaler",
    metadata: { name: "web", namespace: "default" },
    spec: {
      scaleTargetRef: { apiVersion: "apps/v1", kind: "Deployment", name: "web" },
      maxReplicas: 10,
      metrics: [HALF],
      ...spec,
    },
  });
  const autoscaler = () => autoscalers.cache.get("default/web");
  return {
    cluster,
    clock,
    autoscaler,
    replicas: () => deployments.cache.get("default/web")?.spec?.replicas,
    async load(cpu) {
      const live = Array.from(pods.cache.values()).filter(({ metadata }: Pod) => !metadata.deletionTimestamp);
      const body = { metadata: { annotations: { [CPU]: cpu } } };
      for (const { metadata } of live)
        await client.patch(RESOURCES.pods, "default", metadata.name ?? "", { type: "merge", body });
      await settle();
    },
    reason: (type) => autoscaler()?.status?.conditions?.find((each) => each.type === type)?.reason ?? "",
    events: (reason) =>
      Array.from(events.cache.values())
        .filter((event) => event.reason === reason && event.involvedObject.kind === "HorizontalPodAutoscaler")
        .map(({ message = "" }) => message),
  };
}

test("scales up to what is used, and down when it was less for five minutes", async (t) => {
  const { clock, load, replicas, autoscaler, events, reason } = await lab(t, {});
  await load("400m");
  await advanceUntil(clock, "four replicas", () => replicas() === 4, 60_000);
  await advanceUntil(clock, "the event", () => events("SuccessfulRescale").length > 0, 5000);
  assert.deepEqual(events("SuccessfulRescale"), [
    "New size: 4; reason: cpu resource utilization (percentage of request) above target",
  ]);
  assert.equal(reason("AbleToScale"), "SucceededRescale");
  assert.equal(reason("ScalingActive"), "ValidMetricFound");
  await load("100m");
  await advanceUntil(clock, "half used", () => currentUse(autoscaler()) === 50, 60_000);
  assert.equal(replicas(), 4);
  const quiet = clock.now();
  await load("25m");
  await advanceUntil(clock, "held back", () => reason("AbleToScale") === "ScaleDownStabilized", 60_000);
  await advanceUntil(clock, "one replica", () => replicas() === 1, 600_000);
  assert.ok(clock.now() - quiet >= 270_000, `after ${clock.now() - quiet} ms`);
  await advanceUntil(clock, "the event", () => events("SuccessfulRescale").length > 1, 5000);
  assert.equal(events("SuccessfulRescale")[1], "New size: 1; reason: All metrics below target");
});

test("policies bound how fast it goes", async (t) => {
  const behavior = {
    scaleUp: { policies: [{ type: "Pods", value: 1, periodSeconds: 60 }], stabilizationWindowSeconds: 0 },
    scaleDown: { selectPolicy: "Disabled" },
  };
  const { clock, load, replicas, reason } = await lab(t, { behavior });
  await load("800m");
  await advanceUntil(clock, "two", () => replicas() === 2, 60_000);
  const second = clock.now();
  await load("800m");
  await advanceUntil(clock, "held back", () => reason("ScalingLimited") === "ScaleUpLimit", 30_000);
  await advanceUntil(clock, "three", () => replicas() === 3, 120_000);
  assert.ok(clock.now() - second >= 60_000);
  await load("1m");
  await clock.advance(900_000);
  await settle();
  assert.equal(replicas(), 3);
});

test("an average of one container; a pod beyond the most is no more", async (t) => {
  const metrics: MetricSpec[] = [
    {
      type: "ContainerResource",
      containerResource: { name: "cpu", container: "main", target: { type: "AverageValue", averageValue: "50m" } },
    },
  ];
  const { clock, load, replicas, reason, autoscaler } = await lab(t, { metrics, maxReplicas: 3 });
  await load("400m");
  await advanceUntil(clock, "three", () => replicas() === 3, 60_000);
  await load("400m");
  await advanceUntil(clock, "no more", () => reason("ScalingLimited") === "TooManyReplicas", 60_000);
  const current = autoscaler()?.status?.currentMetrics?.[0]?.containerResource;
  assert.deepEqual(current, { name: "cpu", container: "main", current: { averageValue: "400m" } });
});

test("what cannot be measured is said in Kubernetes' words, and nothing is scaled", async (t) => {
  const pods: MetricSpec = {
    type: "Pods",
    pods: { metric: { name: "requests" }, target: { type: "AverageValue", averageValue: "1" } },
  };
  const { clock, reason, autoscaler, events, replicas } = await lab(t, { metrics: [pods] }, podSpec(), 2);
  await advanceUntil(clock, "refused", () => reason("ScalingActive") === "FailedGetPodsMetric", 60_000);
  const message = autoscaler()?.status?.conditions?.find(({ type }) => type === "ScalingActive")?.message;
  const why =
    "unable to get metric requests: unable to fetch metrics from custom metrics API: no custom metrics API (custom.metrics.k8s.io) registered";
  assert.equal(message, `the HPA was unable to compute the replica count: ${why}`);
  await advanceUntil(clock, "events", () => events("FailedComputeMetricsReplicas").length > 0, 5000);
  assert.deepEqual(events("FailedComputeMetricsReplicas"), [
    `invalid metrics (1 invalid out of 1), first error is: failed to get pods metric value: ${why}`,
  ]);
  assert.equal(replicas(), 2);
});

test("pods that request nothing have no utilization; none at all, no scaling", async (t) => {
  const { clock, reason, autoscaler, cluster } = await lab(t, {}, podSpec());
  await advanceUntil(clock, "refused", () => reason("ScalingActive") === "FailedGetResourceMetric", 60_000);
  const message = autoscaler()?.status?.conditions?.find(({ type }) => type === "ScalingActive")?.message ?? "";
  assert.match(message, /failed to get cpu utilization: missing request for cpu in container main of Pod web-/);
  await cluster.client.patch(RESOURCES.deployments, "default", "web", {
    type: "merge",
    body: { spec: { replicas: 0 } },
  });
  await advanceUntil(clock, "disabled", () => reason("ScalingActive") === "ScalingDisabled", 60_000);
});

test("no target, and two autoscalers for one", async (t) => {
  const { clock, cluster, autoscaler, reason } = await lab(t, {});
  await advanceUntil(clock, "the first", () => reason("ScalingActive") === "ValidMetricFound", 60_000);
  const spec = { ...autoscaler()?.spec, maxReplicas: 3 } as NonNullable<HorizontalPodAutoscaler["spec"]>;
  const metadata = { name: "rival", namespace: "default" };
  await cluster.client.create(RESOURCES.horizontalpodautoscalers, { metadata, spec });
  await cluster.client.create(RESOURCES.horizontalpodautoscalers, {
    metadata: { name: "lost", namespace: "default" },
    spec: { ...spec, scaleTargetRef: { ...spec.scaleTargetRef, name: "none" } },
  });
  const all = cluster.informers.informer(RESOURCES.horizontalpodautoscalers);
  const of = (name: string, type: string) =>
    all.cache.get(`default/${name}`)?.status?.conditions?.find((each) => each.type === type);
  await advanceUntil(clock, "ambiguous", () => of("rival", "ScalingActive")?.reason === "AmbiguousSelector", 60_000);
  assert.equal(
    of("rival", "ScalingActive")?.message,
    "pods by selector app=web are controlled by multiple HPAs: [default/rival default/web]",
  );
  await advanceUntil(clock, "no scale", () => of("lost", "AbleToScale")?.reason === "FailedGetScale", 60_000);
  assert.equal(
    of("lost", "AbleToScale")?.message,
    'the HPA controller was unable to get the target\'s current scale: deployments.apps "none" not found',
  );
});

function currentUse(autoscaler: HorizontalPodAutoscaler | undefined): number | undefined {
  return autoscaler?.status?.currentMetrics?.[0]?.resource?.current?.averageUtilization;
}
