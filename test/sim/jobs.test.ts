// Jobs and cron jobs on virtual time.
import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { virtualClock, type VirtualClock } from "../../src/base/clock.ts";
import { RESOURCES } from "../../src/formats/kube-resources.ts";
import type { CronJob, Job, JobSpec, Pod, PodSpec } from "../../src/formats/kube-types.generated.ts";
import { createCluster, type Cluster } from "../../src/main/create-cluster.ts";
import { podSpec } from "./support/cluster.ts";
import { advanceUntil } from "./support/virtual-time.ts";

const START = Date.UTC(2026, 0, 1, 10, 2, 30);

async function virtualCluster(t: TestContext): Promise<{ cluster: Cluster; clock: VirtualClock }> {
  const clock = virtualClock(START);
  const cluster = await createCluster({ nodes: 2, clock });
  t.after(() => cluster.close());
  return { cluster, clock };
}

function job(
  name: string,
  spec: Partial<JobSpec> = {},
  life: Record<string, string> = {},
  pod: Partial<PodSpec> = {},
): Job {
  const annotations = Object.fromEntries(
    Object.entries(life).map(([key, value]) => [`simulated.gantry.dev/${key}`, value]),
  );
  const template = { metadata: { annotations }, spec: podSpec({ restartPolicy: "Never", ...pod }) };
  return { apiVersion: "batch/v1", kind: "Job", metadata: { name, namespace: "default" }, spec: { template, ...spec } };
}

const jobsOf = (cluster: Cluster): Job[] => Array.from(cluster.informers.informer(RESOURCES.jobs).cache.values());
const jobNamed = (cluster: Cluster, name: string): Job | undefined =>
  jobsOf(cluster).find(({ metadata }) => metadata.name === name);
const podsOf = (cluster: Cluster): Pod[] => Array.from(cluster.informers.informer(RESOURCES.pods).cache.values());
const live = (cluster: Cluster): Pod[] =>
  podsOf(cluster).filter(
    ({ status, metadata }) =>
      !metadata.deletionTimestamp && status?.phase !== "Succeeded" && status?.phase !== "Failed",
  );
const condition = (each: Job | undefined, type: string) =>
  each?.status?.conditions?.find((one) => one.type === type && one.status === "True");

test("a job runs to its completions, never more at once than its parallelism, and its pods stay to be read", async (t) => {
  const { cluster, clock } = await virtualCluster(t);
  let most = 0;
  cluster.informers
    .informer(RESOURCES.pods)
    .addHandler({ add: () => void (most = Math.max(most, live(cluster).length)) });
  await cluster.client.create(RESOURCES.jobs, job("work", { completions: 5, parallelism: 2 }, { "run-ms": "1000" }));
  await advanceUntil(clock, "complete", () => condition(jobNamed(cluster, "work"), "Complete") !== undefined);
  const { status } = jobNamed(cluster, "work") ?? {};
  assert.deepEqual([status?.succeeded, status?.failed ?? 0, status?.active ?? 0], [5, 0, 0]);
  assert.equal(condition(jobNamed(cluster, "work"), "Complete")?.message, "Reached expected number of succeeded pods");
  assert.equal(condition(jobNamed(cluster, "work"), "SuccessCriteriaMet")?.reason, "CompletionsReached");
  assert.equal(most, 2);
  assert.ok(status?.completionTime);
  await advanceUntil(clock, "finalizers gone", () =>
    podsOf(cluster).every(({ metadata }) => !metadata.finalizers?.length),
  );
  assert.equal(podsOf(cluster).length, 5);
});

test("failed pods are made anew after 10 s, 20 s, ..., until the limit", async (t) => {
  const { cluster, clock } = await virtualCluster(t);
  const created: number[] = [];
  cluster.informers.informer(RESOURCES.pods).addHandler({ add: () => created.push(clock.now()) });
  await cluster.client.create(RESOURCES.jobs, job("bad", { backoffLimit: 2 }, { "exit-code": "1" }));
  await advanceUntil(clock, "failed", () => condition(jobNamed(cluster, "bad"), "Failed") !== undefined);
  const waits = created.slice(1).map((at, index) => Math.round((at - (created[index] ?? 0)) / 1000));
  assert.deepEqual(waits, [10, 20]);
  assert.deepEqual(
    [condition(jobNamed(cluster, "bad"), "Failed")?.reason, condition(jobNamed(cluster, "bad"), "Failed")?.message],
    ["BackoffLimitExceeded", "Job has reached the specified backoff limit"],
  );
  assert.equal(jobNamed(cluster, "bad")?.status?.failed, 3);
});

test("each pod is counted once, even when it is deleted the moment it has ended", async (t) => {
  const { cluster, clock } = await virtualCluster(t);
  cluster.informers.informer(RESOURCES.pods).addHandler({
    update(_, { metadata, status }) {
      if (status?.phase === "Succeeded" && !metadata.deletionTimestamp) {
        cluster.client.delete(RESOURCES.pods, metadata.namespace, metadata.name ?? "").catch(() => undefined);
      }
    },
  });
  await cluster.client.create(RESOURCES.jobs, job("work", { completions: 4, parallelism: 4 }, { "run-ms": "500" }));
  await advanceUntil(clock, "complete", () => condition(jobNamed(cluster, "work"), "Complete") !== undefined);
  assert.deepEqual([jobNamed(cluster, "work")?.status?.succeeded, podsOf(cluster).length], [4, 0]);
});

test("an indexed job has one pod for each index, which knows it", async (t) => {
  const { cluster, clock } = await virtualCluster(t);
  await cluster.client.create(
    RESOURCES.jobs,
    job("idx", { completions: 3, parallelism: 3, completionMode: "Indexed" }, { "run-ms": "500" }),
  );
  await advanceUntil(clock, "complete", () => condition(jobNamed(cluster, "idx"), "Complete") !== undefined);
  assert.equal(jobNamed(cluster, "idx")?.status?.completedIndexes, "0-2");
  const indexes = podsOf(cluster).map(({ metadata, spec }) => [
    metadata.annotations?.["batch.kubernetes.io/job-completion-index"],
    spec?.hostname,
    spec?.containers[0]?.env?.[0]?.name,
  ]);
  assert.deepEqual(indexes.sort(), [
    ["0", "idx-0", "JOB_COMPLETION_INDEX"],
    ["1", "idx-1", "JOB_COMPLETION_INDEX"],
    ["2", "idx-2", "JOB_COMPLETION_INDEX"],
  ]);
});

test("with a limit for each index only the indexes that keep failing fail", async (t) => {
  const { cluster, clock } = await virtualCluster(t);
  const spec = { completions: 2, parallelism: 2, completionMode: "Indexed", backoffLimitPerIndex: 1 };
  await cluster.client.create(RESOURCES.jobs, job("idx", spec, { "run-ms": "forever" }));
  await advanceUntil(clock, "running", () => live(cluster).length === 2);
  const end = async (index: string, phase: string): Promise<void> => {
    const pod = live(cluster).find(
      ({ metadata }) => metadata.annotations?.["batch.kubernetes.io/job-completion-index"] === index,
    );
    await cluster.client.patch(
      RESOURCES.pods,
      "default",
      pod?.metadata.name ?? "",
      { type: "merge", body: { status: { phase } } },
      "status",
    );
  };
  await end("0", "Succeeded");
  await end("1", "Failed");
  await advanceUntil(clock, "index 1 again", () =>
    live(cluster).some(({ metadata }) => metadata.annotations?.["batch.kubernetes.io/job-index-failure-count"] === "1"),
  );
  await end("1", "Failed");
  await advanceUntil(clock, "failed", () => condition(jobNamed(cluster, "idx"), "Failed") !== undefined);
  const { status } = jobNamed(cluster, "idx") ?? {};
  assert.deepEqual(
    [
      condition(jobNamed(cluster, "idx"), "Failed")?.reason,
      status?.completedIndexes,
      status?.failedIndexes,
      status?.failed,
    ],
    ["FailedIndexes", "0", "1", 2],
  );
});

test("a rule of the failure policy ends the job at once; another lets a failure not count", async (t) => {
  const { cluster, clock } = await virtualCluster(t);
  const rules = [
    { action: "Ignore", onPodConditions: [{ type: "DisruptionTarget", status: "True" }] },
    { action: "FailJob", onExitCodes: { operator: "In", values: [42] } },
  ];
  await cluster.client.create(RESOURCES.jobs, job("policy", { podFailurePolicy: { rules } }, { "exit-code": "42" }));
  await advanceUntil(clock, "failed", () => condition(jobNamed(cluster, "policy"), "Failed") !== undefined);
  const failed = condition(jobNamed(cluster, "policy"), "Failed");
  assert.equal(failed?.reason, "PodFailurePolicy");
  assert.match(
    failed?.message ?? "",
    /^Container main for pod default\/policy-[a-z0-9]{5} failed with exit code 42 matching FailJob rule at index 1$/,
  );
});

test("a success policy ends the job before all indexes have run", async (t) => {
  const { cluster, clock } = await virtualCluster(t);
  const spec = {
    completions: 3,
    parallelism: 3,
    completionMode: "Indexed",
    successPolicy: { rules: [{ succeededIndexes: "0", succeededCount: 1 }] },
  };
  await cluster.client.create(RESOURCES.jobs, job("leader", spec, { "run-ms": "forever" }));
  await advanceUntil(clock, "running", () => live(cluster).length === 3);
  const leader = live(cluster).find(
    ({ metadata }) => metadata.annotations?.["batch.kubernetes.io/job-completion-index"] === "0",
  );
  await cluster.client.patch(
    RESOURCES.pods,
    "default",
    leader?.metadata.name ?? "",
    { type: "merge", body: { status: { phase: "Succeeded" } } },
    "status",
  );
  await advanceUntil(clock, "complete", () => condition(jobNamed(cluster, "leader"), "Complete") !== undefined);
  assert.equal(condition(jobNamed(cluster, "leader"), "Complete")?.message, "Matched rules at index 0");
  assert.equal(live(cluster).length, 0);
});

test("a job past its deadline fails and its pods are stopped; a suspended one stops and goes on", async (t) => {
  const { cluster, clock } = await virtualCluster(t);
  await cluster.client.create(RESOURCES.jobs, job("slow", { activeDeadlineSeconds: 60 }, { "run-ms": "forever" }));
  await advanceUntil(clock, "running", () => live(cluster).length === 1);
  const suspend = (is: boolean) =>
    cluster.client.patch(RESOURCES.jobs, "default", "slow", { type: "merge", body: { spec: { suspend: is } } });
  await suspend(true);
  await advanceUntil(
    clock,
    "suspended",
    () => condition(jobNamed(cluster, "slow"), "Suspended") !== undefined && podsOf(cluster).length === 0,
  );
  assert.equal(jobNamed(cluster, "slow")?.status?.startTime, undefined);
  await clock.advance(120_000);
  assert.equal(condition(jobNamed(cluster, "slow"), "Failed"), undefined);
  await suspend(false);
  const since = clock.now();
  await advanceUntil(clock, "running again", () => live(cluster).length === 1);
  await advanceUntil(clock, "failed", () => condition(jobNamed(cluster, "slow"), "Failed") !== undefined);
  assert.equal(condition(jobNamed(cluster, "slow"), "Failed")?.reason, "DeadlineExceeded");
  assert.ok(clock.now() - since >= 59_000 && clock.now() - since < 65_000, `${clock.now() - since} ms`);
  assert.equal(live(cluster).length, 0);
});

test("a finished job goes when its time to live has passed, with its pods", async (t) => {
  const { cluster, clock } = await virtualCluster(t);
  await cluster.client.create(RESOURCES.jobs, job("brief", { ttlSecondsAfterFinished: 100 }));
  await advanceUntil(clock, "complete", () => condition(jobNamed(cluster, "brief"), "Complete") !== undefined);
  const since = clock.now();
  await advanceUntil(clock, "gone", () => jobsOf(cluster).length === 0 && podsOf(cluster).length === 0);
  assert.ok(clock.now() - since >= 99_000 && clock.now() - since < 105_000);
});

function cronJob(schedule: string, spec: Partial<CronJob["spec"]> = {}, life: Record<string, string> = {}): CronJob {
  return {
    apiVersion: "batch/v1",
    kind: "CronJob",
    metadata: { name: "tick", namespace: "default" },
    spec: { schedule, jobTemplate: { spec: job("", {}, life).spec }, ...spec },
  };
}
const minutes = (cluster: Cluster): number[] =>
  jobsOf(cluster)
    .map(({ metadata }) => Number(metadata.name?.split("-")[1]) - START / 60_000 + 2.5)
    .sort((a, b) => a - b);

test("a cron job starts a job at each time, keeps the last three, and wakes for nothing else", async (t) => {
  const { cluster, clock } = await virtualCluster(t);
  await cluster.client.create(RESOURCES.cronjobs, cronJob("*/5 * * * *"));
  await advanceUntil(clock, "5 jobs", () => minutes(cluster).includes(25));
  await advanceUntil(
    clock,
    "3 kept",
    () => jobsOf(cluster).length === 3 && jobsOf(cluster).every((each) => condition(each, "Complete")),
  );
  assert.deepEqual(minutes(cluster), [15, 20, 25]);
  const [tick] = cluster.informers.informer(RESOURCES.cronjobs).cache.values();
  assert.equal(tick?.status?.lastScheduleTime, "2026-01-01T10:25:00Z");
});

test("Forbid skips a time while the job before still runs; Replace ends it", async (t) => {
  const { cluster, clock } = await virtualCluster(t);
  await cluster.client.create(
    RESOURCES.cronjobs,
    cronJob("* * * * *", { concurrencyPolicy: "Forbid" }, { "run-ms": "90000" }),
  );
  await clock.advance(100_000);
  await advanceUntil(clock, "a job", () => jobsOf(cluster).length === 1);
  assert.deepEqual(minutes(cluster), [3]);
  await cluster.client.patch(RESOURCES.cronjobs, "default", "tick", {
    type: "merge",
    body: { spec: { concurrencyPolicy: "Replace" } },
  });
  await clock.advance(120_000);
  await advanceUntil(
    clock,
    "one runs",
    () => jobsOf(cluster).filter((each) => !condition(each, "Complete")).length === 1,
  );
  assert.ok(Math.max(...minutes(cluster)) >= 5);
});

test("a time zone counts, a suspended cron job does nothing, and a missed time is made up for", async (t) => {
  const { cluster, clock } = await virtualCluster(t);
  // 10:00 UTC is 19:00 in Seoul.
  await cluster.client.create(RESOURCES.cronjobs, cronJob("30 19 * * *", { timeZone: "Asia/Seoul", suspend: true }));
  await clock.advance(40 * 60_000);
  assert.deepEqual(minutes(cluster), []);
  await cluster.client.patch(RESOURCES.cronjobs, "default", "tick", {
    type: "merge",
    body: { spec: { suspend: false } },
  });
  await advanceUntil(clock, "a job", () => jobsOf(cluster).length === 1);
  assert.deepEqual(minutes(cluster), [30]);
});
