import { RESOURCES } from "../../../src/formats/kube-resources.ts";
import type { Simulation } from "../support/simulation.ts";
import { limits, podsOf, watchPods, type Scenario } from "./scenario.ts";

/** Eight completions, three at a time, and somebody who removes ended pods at once: never more at work, none counted twice or forgotten. */
export const countedJob: Scenario = {
  name: "a job",
  controllers: ["job-controller", "garbage-collector-controller"],
  run: count,
};

async function count(simulation: Simulation): Promise<object> {
  const { cluster, random } = simulation;
  const { broken, held } = limits();
  await watchPods(simulation, (live) => {
    const active = live.filter(({ status }) => status?.phase !== "Succeeded");
    if (active.length > 3) broken(`${active.length} at work where 3 are the most`);
  });
  // Somebody tidies up the moment a pod has ended, now and then.
  cluster.informers.informer(RESOURCES.pods).addHandler({
    update(_, { metadata, status }) {
      if (status?.phase === "Succeeded" && !metadata.deletionTimestamp && random.next() < 0.5)
        cluster.client.delete(RESOURCES.pods, "default", metadata.name ?? "").catch(() => undefined);
    },
  });
  const jobs = cluster.informers.informer(RESOURCES.jobs);
  await jobs.whenSynced();
  const template = {
    metadata: { annotations: { "simulated.gantry.dev/run-ms": "1500" } },
    spec: { containers: [{ name: "main", image: "example" }], restartPolicy: "Never" },
  };
  await cluster.client.create(RESOURCES.jobs, {
    apiVersion: "batch/v1",
    kind: "Job",
    metadata: { name: "work", namespace: "default" },
    spec: { completions: 8, parallelism: 3, template },
  });
  await simulation.pass(20_000 + random.next() * 40_000);
  const status = () => jobs.cache.get("default/work")?.status;
  await simulation.calm(
    "the job's end",
    () =>
      status()?.conditions?.some(({ type }) => type === "Complete") === true &&
      podsOf(simulation).every(({ metadata }) => !metadata.finalizers?.length),
  );
  held();
  const { succeeded, failed = 0, active = 0 } = status() ?? {};
  return { succeeded, failed, active };
}
