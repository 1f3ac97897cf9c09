import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { promisify } from "node:util";
import { RESOURCES } from "#formats/kube-resources.ts";
import { httpsClient } from "#kube-client/https-client.ts";
import { credentialsOf, readKubeconfigs } from "#kube-client/kubeconfig-file.ts";
import { openServiceRules, type ServicePort } from "#network/service-rules.ts";
import { startGantry, type TestGantry } from "#test/gantry.ts";
import { testImage } from "#test/images.ts";
import { enterFreshHost } from "#test/isolated-network.ts";
import type { Case, Measurement } from "../measure.ts";
import { residentMib } from "./docker.ts";

export const cases: readonly Case[] = [
  { name: "services: 30,000 with two endpoints each", run: manyServices },
  { name: "cluster DNS: answers per second", run: dnsAnswers },
  { name: "port-forward: throughput", run: portForward },
  { name: "six nodes on one machine", run: sixNodes },
];

const SERVICES = 30_000;

const address = (second: number, index: number): string =>
  `10.${second + (index >> 16)}.${(index >> 8) & 255}.${index & 255}`;

function service(index: number, last = address(130, 2 * index + 1)): ServicePort {
  const ends = [address(128, 2 * index), last];
  return {
    key: `ns/svc-${index}:http`,
    family: "ip",
    protocol: "tcp",
    clusterIP: address(96, index),
    port: 80,
    nodePort: 0,
    externalIPs: [],
    loadBalancerIPs: [],
    loadBalancerSourceRanges: [],
    internalTrafficPolicy: "Cluster",
    externalTrafficPolicy: "Cluster",
    affinitySeconds: 0,
    endpoints: ends.map((end) => ({ address: end, port: 8080, local: false })),
  };
}

async function manyServices(): Promise<Measurement[]> {
  await enterFreshHost();
  const rules = openServiceRules({
    instance: "bench",
    podRanges: ["10.128.0.0/14"],
    hostRoutes: [{ range: "10.96.0.0/15", bridge: "none" }],
  });
  const timed = (run: () => void): number => {
    const started = performance.now();
    run();
    return performance.now() - started;
  };
  rules.apply([]);
  const all = Array.from({ length: SERVICES }, (_, index) => service(index));
  const first = timed(() => rules.apply(all));
  const changes = Array.from({ length: 50 }, (_, index) =>
    timed(() => rules.change(new Map([[`ns/svc-${index}`, [service(index, "10.200.0.1")]]]))),
  );
  rules.remove();
  rules.close();
  return [
    { name: `first programming of ${SERVICES}`, unit: "ms", values: [first], goal: "1000 ms" },
    { name: "one endpoint's change among them", unit: "ms", values: changes, goal: "5 ms" },
  ];
}

async function dnsAnswers(): Promise<Measurement[]> {
  process.env["GANTRY_SOURCE"] = "";
  const gantry = await startGantry();
  const client = httpsClient(await credentialsOf(await readKubeconfigs([`${gantry.root}/kubeconfig`])));
  const { spec } = await client.get(RESOURCES.services, "kube-system", "kube-dns");
  const script = new URL("../support/dns-client.ts", import.meta.url).pathname;
  const ask = async (...names: string[]): Promise<number> => {
    const args = [script, spec?.clusterIP ?? "", "53", "3", ...names];
    return Number((await promisify(execFile)(process.execPath, args)).stdout);
  };
  const names = ["kubernetes.default.svc.cluster.local", "kube-dns.kube-system.svc.cluster.local"];
  const values = [await ask(...names), await ask(...names)];
  await gantry.stop();
  return [{ name: "names of services, 64 questions under way", unit: "/s", values, goal: "20000 /s" }];
}

const FORWARD_BYTES = 256 * 2 ** 20;

async function portForward(): Promise<Measurement[]> {
  process.env["GANTRY_SOURCE"] = "";
  const gantry = await startGantry();
  await gantry.docker("load", "-i", await testImage("busybox"));
  const script = `while true; do dd if=/dev/zero bs=1M count=${FORWARD_BYTES / 2 ** 20} 2>/dev/null | nc -l -p 9000; done`;
  await gantry.kubectl(
    "run",
    "source",
    "--image=busybox",
    "--image-pull-policy=Never",
    "--command",
    "--",
    "sh",
    "-c",
    script,
  );
  await gantry.kubectl("wait", "--for=condition=Ready", "pod/source", "--timeout=30s");
  const values = [await forwardOnce(gantry), await forwardOnce(gantry)];
  await gantry.stop();
  return [{ name: "from a pod's port to a local client, real kubectl", unit: "MB/s", values, goal: "250 MB/s" }];
}

async function forwardOnce(gantry: TestGantry): Promise<number> {
  const kubectl = spawn("kubectl", ["port-forward", "pod/source", ":9000"], { env: gantry.env });
  try {
    const [line] = (await once(kubectl.stdout, "data")) as [Buffer];
    const port = Number(/127\.0\.0\.1:(\d+)/.exec(line.toString())?.[1]);
    const started = performance.now();
    const socket = connect({ host: "127.0.0.1", port });
    let bytes = 0;
    socket.on("data", (chunk: Buffer) => (bytes += chunk.length));
    await once(socket, "close");
    return bytes / 1e6 / ((performance.now() - started) / 1000);
  } finally {
    kubectl.kill();
  }
}

async function sixNodes(): Promise<Measurement[]> {
  process.env["GANTRY_SOURCE"] = "";
  const settled = async (flags: readonly string[]): Promise<{ startupMs: number; memoryMib: number }> => {
    const gantry = await startGantry({ flags });
    await new Promise((resolve) => setTimeout(resolve, 3000));
    const memoryMib = await residentMib(gantry.process.pid ?? 0);
    await gantry.stop();
    return { startupMs: gantry.status.startupMs, memoryMib };
  };
  const one = [await settled([]), await settled([])];
  const six = [await settled(["--nodes", "6"]), await settled(["--nodes", "6"])];
  const least = (runs: readonly { memoryMib: number }[]): number => Math.min(...runs.map(({ memoryMib }) => memoryMib));
  return [
    {
      name: "gantry up --nodes 6, all Ready",
      unit: "ms",
      values: six.map(({ startupMs }) => startupMs),
      goal: "2500 ms",
    },
    { name: "memory of each further node", unit: "MiB", values: [(least(six) - least(one)) / 5], goal: "15 MiB" },
  ];
}
