import { resolve } from "node:path";
import { InvalidArgumentError, Option, type Command } from "commander";
import type { Places } from "#base/places.ts";
import type { CliPorts } from "../ports.ts";
import { plan, type PlanFlags } from "./plan.ts";
import { why, type WhyFlags } from "./why.ts";

interface Parts {
  readonly ports: CliPorts;
  readonly places: () => Places;
  readonly does: (action: () => Promise<number>) => () => Promise<void>;
}

const WHY_HELP = `
Says for a pod that waits what is against each node, which nodes come nearest, and the smallest
changes that would let it run; each of those was tried on the scheduler's filters before it is told.
For a placed pod: how the best nodes scored. Exit code 0: placed, 2: waiting.

Examples:
  gantry why web-6d4cf56db6-x2x9q
  gantry why redis-3 -n databases -o json | jq .remedies`;

const PLAN_HELP = `
Places the pods of manifests on nodes that exist only in memory, with the same scheduler, defaults and
controllers as a live cluster, and changes nothing anywhere. Exit code 0: all fit, 2: some do not.

--nodes COUNTxCPUcpuMEMORY[,zone=N][,pods=N][,label=KEY=VALUE][,taint=KEY=VALUE:EFFECT]
  zone=N spreads them over N zones (topology.kubernetes.io/zone). May be given several times.

Examples:
  gantry plan -f shop.yaml --nodes 3x4cpu16Gi            does it fit three such nodes?
  gantry plan -f shop.yaml --from-cluster                does it fit what is free here?
  gantry plan -f shop.yaml --from-cluster --nodes 2x8cpu32Gi,zone=2   with two more nodes?`;

const SCHEDULER_HELP = `
A scheduler of its own, beside the one that 'gantry up' runs: it places the pods whose spec.schedulerName
is one of its profiles'. In a pod it finds the API by its service account; elsewhere by --kubeconfig.

Examples:
  gantry scheduler --kubeconfig ~/.kube/config --scheduler-name my-scheduler --leader-elect=false
  gantry scheduler --config scheduler.yaml --leader-elect --leader-elect-resource-name my-scheduler`;

/** Adds `gantry why`, `gantry plan` and `gantry scheduler`. */
export function addSchedulingCommands(program: Command, { ports, places, does }: Parts): void {
  const whyCommand = program
    .command("why <pod>")
    .description("say why a pod is where it is, or nowhere, and what would let it run")
    .option("-n, --namespace <name>", "the pod's namespace (the context's)")
    .option("-o, --output <format>", "text or json", "text")
    .option("--kubeconfig <file>", "which cluster (KUBECONFIG, then this Gantry's)")
    .addHelpText("after", WHY_HELP);
  whyCommand.action((pod: string) => does(() => why(ports, places(), pod, whyCommand.opts<WhyFlags>()))());
  const planCommand = program
    .command("plan")
    .description("what if: place workloads on nodes in memory, and say what fits where")
    .option("-f, --filename <file>", "manifests to place: a file, a folder, - for standard input", collect)
    .option("--nodes <nodes>", "nodes to add, such as 500x8cpu32Gi,zone=3", collect)
    .option("--from-cluster", "start from a cluster's nodes and pods (read only)")
    .option("--kubeconfig <file>", "which cluster (KUBECONFIG, then this Gantry's)")
    .option("-n, --namespace <name>", "for objects that do not say theirs", "default")
    .option("--config <file>", "a KubeSchedulerConfiguration to plan with")
    .option("-o, --output <format>", "text or json", "text")
    .addHelpText("after", PLAN_HELP);
  planCommand.action(does(() => plan(ports, places(), planCommand.opts<PlanFlags>())));
  addSchedulerCommand(program, ports, does);
}

interface SchedulerFlags {
  readonly config?: string;
  readonly kubeconfig?: string;
  readonly leaderElect?: boolean;
  readonly leaderElectResourceName?: string;
  readonly leaderElectResourceNamespace?: string;
  readonly lockObjectName?: string;
  readonly lockObjectNamespace?: string;
  readonly schedulerName?: string;
  readonly plugins?: readonly string[];
  readonly logLevel: string;
}

function addSchedulerCommand(program: Command, ports: CliPorts, does: Parts["does"]): void {
  const command = program
    .command("scheduler")
    .description("run a scheduler of its own, beside the built-in one")
    .option("--config <file>", "a KubeSchedulerConfiguration (kubescheduler.config.k8s.io/v1)")
    .option("--kubeconfig <file>", "the cluster (in a pod: its service account)")
    .option("--leader-elect [bool]", "of several with the same lock only one schedules (true)", flag)
    .option("--leader-elect-resource-name <name>", "the Lease that is fought for (kube-scheduler)")
    .option("--leader-elect-resource-namespace <name>", "its namespace (kube-system)")
    .option("--scheduler-name <name>", "the only profile's name, when the configuration does not list profiles")
    .option("--plugins <module>", "a TypeScript or JavaScript module with plugins (docs/scheduling.md)", collect)
    .addOption(new Option("--lock-object-name <name>", "older name of --leader-elect-resource-name").hideHelp())
    .addOption(new Option("--lock-object-namespace <name>", "older name of the namespace's flag").hideHelp())
    .addOption(
      new Option("--log-level <level>", "what is written to standard error")
        .choices(["debug", "info", "warn", "error"])
        .default("info"),
    )
    .addHelpText("after", SCHEDULER_HELP);
  command.action(
    does(() => {
      const given = command.opts<SchedulerFlags>();
      const ending = new AbortController();
      for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => ending.abort());
      return ports.runScheduler({
        config: given.config && resolve(given.config),
        kubeconfig: given.kubeconfig && resolve(given.kubeconfig),
        leaderElect: given.leaderElect,
        leaderElectResourceName: given.leaderElectResourceName ?? given.lockObjectName,
        leaderElectResourceNamespace: given.leaderElectResourceNamespace ?? given.lockObjectNamespace,
        schedulerName: given.schedulerName,
        plugins: given.plugins?.map((path) => resolve(path)),
        logLevel: given.logLevel,
        signal: ending.signal,
      });
    }),
  );
}

function collect(value: string, before: string[] = []): string[] {
  return [...before, value];
}

function flag(text: string): boolean {
  if (!["true", "false"].includes(text)) throw new InvalidArgumentError("true or false");
  return text === "true";
}
