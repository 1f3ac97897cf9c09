import { resolve } from "node:path";
import { Command, InvalidArgumentError, Option } from "commander";
import { placesFor, type Places } from "#base/places.ts";
import { build } from "./build/build.ts";
import { addBuildFlags } from "./build/flags.ts";
import { down } from "./down.ts";
import { env, kubeconfig } from "./env.ts";
import { addNodeCommands } from "./node.ts";
import type { CliPorts, UpOptions } from "./ports.ts";
import { addRegistryFlags, registry } from "./registry.ts";
import { addSchedulingCommands } from "./scheduling/commands.ts";
import { addSnapshotCommands } from "./snapshot.ts";
import { checkOutput, status } from "./status.ts";
import { up, upDetached } from "./up.ts";

interface UpFlags {
  detach?: boolean;
  bip?: string;
  podCidr?: string;
  serviceCidr?: string;
  apiAddress?: string;
  apiPort?: number;
  nodePorts?: string;
  nodeName?: string;
  nodes?: number;
  simulatedNodes?: number;
  nodeLabels?: string;
  nodeTaints?: string;
  nodeCidr?: string;
  evictionHard?: string;
  evictionSoft?: string;
  evictionSoftGracePeriod?: string;
  evictionPressureTransitionPeriod?: string;
  kubeletConfig?: string;
  docker: boolean;
  kubernetes: boolean;
  logLevel: string;
  dns?: string[];
  usernsRemap?: string;
  storageDriver?: string;
  registryListen?: string;
  registryMirror?: string[];
  insecureRegistry?: string[];
  registryCerts?: string;
}

/** The `gantry` command with all its verbs. `run` resolves with the process's exit code. */
export function createProgram(ports: CliPorts): { run(argv: readonly string[]): Promise<number> } {
  let exitCode = 0;
  const program = new Command("gantry")
    .description("Docker and Kubernetes in one program: the docker CLI and kubectl you have, against real containers.")
    .version(ports.version)
    .option(
      "--root <dir>",
      "keep everything below this directory, so that several Gantrys run side by side",
      process.env["GANTRY_ROOT"],
    )
    .configureOutput({ writeOut: (text) => ports.out.write(text), writeErr: (text) => ports.err.write(text) })
    .showHelpAfterError("(gantry --help lists the verbs and their flags)")
    .addHelpText(
      "after",
      `\nExamples:\n  gantry up -d               start in the background\n  eval "$(gantry env)"       point docker and kubectl here\n  gantry --root /tmp/g up    a second one, with everything below /tmp/g`,
    );
  const root = (): string | undefined => {
    const given = program.opts<{ root?: string }>().root;
    return given === undefined ? undefined : resolve(given);
  };
  const places = (): Places => placesFor(root());
  const does = (action: () => Promise<number>) => async () => {
    exitCode = await action();
  };

  const upCommand = addUpFlags(
    program.command("up").description("start Gantry: the Docker API, the Kubernetes API and a node"),
  );
  upCommand.action(
    does(() =>
      (upCommand.opts<UpFlags>().detach ? upDetached : up)(
        ports,
        upOptions(upCommand.opts<UpFlags>(), places(), root()),
      ),
    ),
  );
  const statusCommand = withOutput(
    program.command("status").description("say whether Gantry runs and what it serves (exit code 3: it does not run)"),
  );
  statusCommand.action(does(() => status(ports, places(), output(statusCommand))));
  const downCommand = program
    .command("down")
    .description("stop Gantry and the containers and pods it runs")
    .option("--keep-containers", "let containers run on; the next 'gantry up' adopts them", false)
    .option("-t, --timeout <seconds>", "how long a container may take to stop before it is killed", seconds, 10);
  downCommand.action(
    does(() => down(ports, places(), downCommand.opts<{ keepContainers: boolean; timeout: number }>())),
  );
  const envCommand = withOutput(
    program.command("env").description('print shell lines that point docker and kubectl here: eval "$(gantry env)"'),
  );
  envCommand.action(does(() => env(ports, places(), output(envCommand))));
  addNodeCommands(program, { ports, places, does });
  addSchedulingCommands(program, { ports, places, does });
  addSnapshotCommands(program, { ports, places, does });
  program
    .command("kubeconfig")
    .description("print the administrator's kubeconfig")
    .action(does(() => kubeconfig(ports, places())));
  const buildCommand = addBuildFlags(program.command("build"));
  buildCommand.action((context: string) => does(() => build(ports, places(), context, buildCommand.opts()))());
  const registryCommand = addRegistryFlags(program.command("registry"));
  registryCommand.action(does(() => registry(ports, places(), registryCommand.opts())));
  return {
    async run(argv) {
      await program.parseAsync([...argv], { from: "user" });
      return exitCode;
    },
  };
}

function withOutput(command: Command): Command {
  return command.option("-o, --output <format>", "text or json", "text");
}

function output(command: Command): string {
  return checkOutput(command.opts<{ output: string }>().output);
}

function addUpFlags(command: Command): Command {
  return command
    .option("-d, --detach", "start in the background and return when it is ready")
    .option("--bip <cidr>", "address and subnet of the default Docker bridge (172.17.0.1/16)")
    .option(
      "--pod-cidr <cidr>",
      "addresses for pods (10.244.0.0/16); with IPv6 as well: 10.244.0.0/16,fd00:10:244::/48",
    )
    .option(
      "--service-cidr <cidr>",
      "addresses for services (10.96.0.0/16); with IPv6 as well: 10.96.0.0/16,fd00:10:96::/108",
    )
    .option("--api-address <ip>", "address that the Kubernetes API listens on (127.0.0.1)")
    .option("--api-port <port>", "port of the Kubernetes API (6443; 0: any free one)", portNumber)
    .option("--node-ports <range>", "ports for NodePort services (30000-32767)")
    .option("--node-name <name>", "this node's name (the host's name)")
    .option("--nodes <count>", "at least so many nodes on this machine (1)", nodeCount)
    .option(
      "--simulated-nodes <count>",
      "so many nodes without machines; their pods run without containers",
      simulatedCount,
    )
    .option("--node-labels <labels>", "labels of the nodes that this start makes: zone=a,disk=ssd")
    .option("--node-taints <taints>", "taints of the nodes that this start makes: key=value:NoSchedule,...")
    .option("--node-cidr <cidr>", "addresses of the nodes besides the first (10.245.0.0/24)")
    .option("--eviction-hard <thresholds>", "when pods are ended at once: memory.available<100Mi,nodefs.available<10%")
    .option("--eviction-soft <thresholds>", "when pods are ended after a time")
    .option("--eviction-soft-grace-period <times>", "the times of --eviction-soft: memory.available=1m30s")
    .option("--eviction-pressure-transition-period <time>", "how long a node tells of a pressure that is over (5m)")
    .option(
      "--kubelet-config <file>",
      "a KubeletConfiguration: shutdownGracePeriod, maxPods, staticPodPath, eviction...",
    )
    .option("--dns <ip...>", "name servers that containers and the cluster's DNS forward to (the host's)")
    .option(
      "--userns-remap <user>",
      "Docker containers run in a user namespace with this user's ids of /etc/subuid and /etc/subgid (default: dockremap)",
    )
    .option(
      "--storage-driver <name>",
      "how containers get their root: overlay2, btrfs or vfs (what fits the file system)",
    )
    .option("--registry-listen <address>", "where the built-in registry listens: 127.0.0.1:5000, or none")
    .option("--registry-mirror <url...>", "where Docker Hub's images are asked for first")
    .option(
      "--insecure-registry <host...>",
      "registries that may speak plain HTTP or show any certificate (host:port or network)",
    )
    .option("--registry-certs <dir>", "certificates of registries, a folder each (/etc/docker/certs.d)")
    .option("--no-docker", "leave the Docker API out")
    .option("--no-kubernetes", "leave the Kubernetes API, scheduler, controllers and node out")
    .addOption(
      new Option("--log-level <level>", "what is written to the log")
        .choices(["debug", "info", "warn", "error"])
        .default("warn"),
    );
}

function upOptions(flags: UpFlags, places: Places, root: string | undefined): UpOptions {
  const { detach: _, ...rest } = flags;
  return { ...rest, places, ...(root === undefined ? {} : { root }) };
}

function portNumber(text: string): number {
  const port = Number(text);
  if (!/^\d+$/.test(text) || port > 65535) throw new InvalidArgumentError("a port is a number from 0 to 65535");
  return port;
}

function nodeCount(text: string): number {
  const count = Number(text);
  if (!/^\d+$/.test(text) || count < 1 || count > 50) throw new InvalidArgumentError("a machine holds 1 to 50 nodes");
  return count;
}

function simulatedCount(text: string): number {
  const count = Number(text);
  if (!/^\d+$/.test(text) || count > 20_000) throw new InvalidArgumentError("up to 20000 nodes can be simulated");
  return count;
}

function seconds(text: string): number {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError("a time is a number of seconds");
  return Number(text);
}
