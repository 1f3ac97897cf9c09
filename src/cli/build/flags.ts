import { Argument, Option, type Command } from "commander";

const HELP = `
Builds an image of a Dockerfile, and shows the graph while it does: stages that do not need each other run side by side.
The classic 'docker build' works, too; this command does what its protocol cannot carry.

  gantry build -t app .                                     build the directory, name the image
  gantry build --secret id=npm,src=$HOME/.npmrc .           RUN --mount=type=secret,id=npm ... sees the file, the image does not
  gantry build --ssh default .                              RUN --mount=type=ssh ... reaches your ssh agent
  gantry build -o out .                                     the result's files, without an image
  gantry build -o type=oci,dest=app.tar .                   the image as a file
  gantry build --build-context lib=../lib .                 COPY --from=lib reads another directory
  gantry build --cache-from localhost:5000/app .            steps that an image was built by need not run again
  gantry build https://host/team/app.git#main:service       a branch and directory of a repository
  gantry build --check .                                    only read the Dockerfile and say what to write otherwise`;

/** `gantry build`: its flags, named as those of `docker buildx build`, and help. */
export function addBuildFlags(command: Command): Command {
  return command
    .description("build an image of a Dockerfile")
    .addArgument(
      new Argument("[context]", "directory, git or http URL, or - for a Dockerfile on standard input").default("."),
    )
    .option("-f, --file <path>", "the Dockerfile (default: Dockerfile in the context; -: standard input)")
    .option("-t, --tag <name>", "name of the image", collect)
    .option("--build-arg <name=value>", "value of an ARG", collect)
    .option("--label <name=value>", "label of the image", collect)
    .option("--target <stage>", "build this stage, not the last")
    .option("--no-cache", "do every step again")
    .option("--pull", "ask the registry for newer base images")
    .option("--secret <id=...,src=...>", "secret for RUN --mount=type=secret (src=<file> or env=<variable>)", collect)
    .option("--ssh <id[=socket]>", "ssh agent for RUN --mount=type=ssh", collect)
    .option("--build-context <name=source>", "a further context: directory, docker-image://name, git URL", collect)
    .option(
      "-o, --output <target>",
      "where the result goes: a directory, -, or type=local|tar|oci|docker|image,...",
      collect,
    )
    .option("--cache-from <image>", "image whose steps count as done", collect)
    .option("--platform <os/arch>", "what the image is for (this machine)")
    .option("--network <mode>", "network of RUN: default, none or host", "default")
    .option("--add-host <host:ip>", "a name that RUN finds", collect)
    .option(
      "--allow <entitlement>",
      "what RUN may ask for: network.host (--network=host), security.insecure (--security=insecure)",
      collect,
    )
    .option("--iidfile <path>", "write the image's id here")
    .option("--check", "only check the Dockerfile")
    .option("-q, --quiet", "print the image's id alone")
    .addOption(
      new Option("--progress <form>", "how progress is shown")
        .choices(["auto", "plain", "tty", "rawjson", "quiet"])
        .default("auto"),
    )
    .addHelpText("after", HELP);
}

function collect(value: string, before: string[] = []): string[] {
  return [...before, value];
}
