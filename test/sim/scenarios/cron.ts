import { RESOURCES } from "../../../src/formats/kube-resources.ts";
import type { Job } from "../../../src/formats/kube-types.generated.ts";
import type { Simulation } from "../support/simulation.ts";
import { limits, podsOf, type Scenario } from "./scenario.ts";

/** Jobs of a minute and a half, every minute, never two at once; then no more. */
export const cron: Scenario = {
  name: "a cron job",
  controllers: ["cronjob-controller", "job-controller", "garbage-collector-controller"],
  run: tick,
};

const isOver = ({ status }: Job): boolean =>
  status?.conditions?.some(({ type, status: is }) => (type === "Complete" || type === "Failed") && is === "True") ??
  false;

async function tick(simulation: Simulation): Promise<object> {
  const { cluster, random } = simulation;
  const { broken, held } = limits();
  const jobs = cluster.informers.informer(RESOURCES.jobs);
  const crons = cluster.informers.informer(RESOURCES.cronjobs);
  const pods = cluster.informers.informer(RESOURCES.pods);
  await Promise.all([jobs.whenSynced(), crons.whenSynced(), pods.whenSynced()]);
  const all = (): Job[] => Array.from(jobs.cache.values());
  const made = new Set<string>();
  const look = (): void => {
    const running = all().filter((job) => !isOver(job) && !job.metadata.deletionTimestamp);
    if (running.length > 1) broken(`${running.length} jobs at once`);
  };
  jobs.addHandler({
    add({ metadata: { name = "" } }) {
      if (made.has(name)) broken(`${name} was made twice`);
      made.add(name);
      look();
    },
    update: look,
  });
  const metadata = { annotations: { "simulated.gantry.dev/run-ms": "90000" } };
  const pod = { containers: [{ name: "main", image: "example" }], restartPolicy: "Never" };
  await cluster.client.create(RESOURCES.cronjobs, {
    apiVersion: "batch/v1",
    kind: "CronJob",
    metadata: { name: "tick", namespace: "default" },
    spec: {
      schedule: "* * * * *",
      concurrencyPolicy: "Forbid",
      successfulJobsHistoryLimit: 2,
      jobTemplate: { spec: { template: { metadata, spec: pod } } },
    },
  });
  await simulation.pass(600_000 + random.next() * 60_000);
  await cluster.client.patch(RESOURCES.cronjobs, "default", "tick", {
    type: "merge",
    body: { spec: { suspend: true } },
  });
  await simulation.calm("rest", () => {
    const left = all();
    return left.every(isOver) && left.length <= 2 && !crons.cache.get("default/tick")?.status?.active?.length;
  });
  if (made.size < 3) broken(`only ${made.size} jobs in ten minutes`);
  held();
  const finalizers = podsOf(simulation).flatMap(({ metadata: { finalizers: each = [] } }) => each);
  return { jobs: all().length, finalizers };
}
