import { systemClock } from "#base/clock.ts";
import { silentLogger } from "#base/logger.ts";
import { systemRandom } from "#base/random.ts";
import { RESOURCES } from "#formats/kube-resources.ts";
import type { Pod } from "#formats/kube-types.generated.ts";
import { httpsClient } from "#kube-client/https-client.ts";
import { informer } from "#kube-client/informer.ts";
import { credentialsOf, readKubeconfigs } from "#kube-client/kubeconfig-file.ts";
import { startGantry, type TestGantry } from "#test/gantry.ts";
import { testImage } from "#test/images.ts";
import type { Case, Measurement } from "../measure.ts";

export const cases: readonly Case[] = [{ name: "kubectl apply of a pod to Running, image present", run: podStart }];

const COUNT = 20;
const AT_ONCE = 50;

async function podStart(): Promise<Measurement[]> {
  process.env["GANTRY_SOURCE"] = "";
  const gantry = await startGantry();
  await gantry.docker("load", "-i", await testImage("busybox"));
  const client = httpsClient(await credentialsOf(await readKubeconfigs([`${gantry.root}/kubeconfig`])));
  const pods = informer(RESOURCES.pods, { client, clock: systemClock, logger: silentLogger, random: systemRandom });
  const watch = podWatch();
  pods.addHandler({ add: watch.see, update: (_, pod) => watch.see(pod), delete: watch.gone });
  pods.start();
  await pods.whenSynced();
  const created: number[] = [];
  const applied: number[] = [];
  const deleted: number[] = [];
  for (let index = -2; index < COUNT; index++) {
    const byApi = await timed(async () => {
      const running = watch.running(`api-${index}`);
      await client.create(RESOURCES.pods, pod(`api-${index}`));
      await running;
    });
    const byKubectl = await timed(() => apply(gantry, watch, `kubectl-${index}`));
    const toGone = await timed(async () => {
      const gone = watch.whenGone(`api-${index}`);
      await client.delete(RESOURCES.pods, "default", `api-${index}`);
      await gone;
    });
    if (index < 0) continue;
    created.push(byApi);
    applied.push(byKubectl);
    deleted.push(toGone);
  }
  const many = await startAtOnce(client, watch);
  pods.stop();
  await gantry.stop();
  return [
    { name: "kubectl apply to Running, CLI's time included", unit: "ms", values: applied, goal: "300 ms" },
    { name: "create over HTTPS to Running", unit: "ms", values: created, goal: "150 ms" },
    { name: "delete to gone (process ends at once)", unit: "ms", values: deleted, goal: "50 ms" },
    { name: `${AT_ONCE} pods created at once, each to Running`, unit: "ms", values: many, goal: "p99 400 ms" },
  ];
}

async function startAtOnce(
  client: ReturnType<typeof httpsClient>,
  watch: ReturnType<typeof podWatch>,
): Promise<number[]> {
  return Promise.all(
    Array.from({ length: AT_ONCE }, (_, index) =>
      timed(async () => {
        const running = watch.running(`many-${index}`);
        await client.create(RESOURCES.pods, pod(`many-${index}`));
        await running;
      }),
    ),
  );
}

async function apply(gantry: TestGantry, watch: ReturnType<typeof podWatch>, name: string): Promise<void> {
  const running = watch.running(name);
  const { code, stderr } = await gantry.run("kubectl", ["apply", "-f", "-"], { input: JSON.stringify(pod(name)) });
  if (code !== 0) throw new Error(stderr);
  await running;
}

function pod(name: string): Pod {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace: "default" },
    // The shell ends at once on SIGTERM, as a server does.
    spec: {
      containers: [
        {
          name: "main",
          image: "busybox",
          imagePullPolicy: "Never",
          command: ["sh", "-c", "trap exit TERM; sleep 600 & wait"],
        },
      ],
    },
  };
}

function podWatch() {
  const running = new Map<string, () => void>();
  const gone = new Map<string, () => void>();
  const wait = (map: Map<string, () => void>, name: string): Promise<void> =>
    new Promise((resolve) => map.set(name, resolve));
  return {
    see: ({ metadata, status }: Pod): void => {
      if (status?.phase === "Running") running.get(metadata.name ?? "")?.();
    },
    gone: ({ metadata }: Pod): void => gone.get(metadata.name ?? "")?.(),
    running: (name: string) => wait(running, name),
    whenGone: (name: string) => wait(gone, name),
  };
}

async function timed(run: () => Promise<void>): Promise<number> {
  const started = performance.now();
  await run();
  return performance.now() - started;
}
