import type { Container } from "#containers/engine.ts";
import { config, type DockerConfig } from "#formats/docker-config.ts";
import { mergeImageConfig } from "#formats/docker-merge.ts";
import { applyChanges } from "#formats/dockerfile-config.ts";
import { familiarString, parseReference } from "#formats/reference.ts";
import type { ImageConfig, RunConfig } from "#formats/image-config.ts";
import type { Image } from "#images/image-store.ts";
import type { Deps } from "../deps.ts";
import { jsonBody, type Handler } from "../http/call.ts";
import { json } from "../http/reply.ts";
import { actorAttributes } from "./attach.ts";
import { originOf } from "./documents.ts";

/** POST /commit: an image of a container's changes; the container pauses meanwhile unless `pause=0`. */
export function commitHandler(deps: Deps): Handler {
  return async (call) => {
    const { query } = call;
    const given = await jsonBody(call, config, { required: false });
    const container = deps.engine.get(query.text("container"));
    const repo = query.text("repo");
    const reference =
      repo === "" ? undefined : familiarString(parseReference(`${repo}:${query.text("tag") || "latest"}`));
    const options = {
      given,
      reference,
      changes: query.all("changes"),
      author: query.text("author"),
      comment: query.text("comment"),
    };
    const id = await whilePaused(deps, container, query.flag("pause", true), () => commit(deps, container, options));
    recordImage(deps, id, reference);
    deps.journal.record("container", "commit", container.id, {
      ...actorAttributes(container),
      comment: options.comment,
      imageID: id,
      ...(reference !== undefined && { imageRef: reference }),
    });
    json(call.response, 201, { Id: id });
  };
}

/** The image store tells of no image that a commit makes: it makes those of build steps too. */
function recordImage(deps: Deps, id: string, reference: string | undefined): void {
  const labels = deps.images.find(id)?.config.config?.Labels ?? {};
  deps.journal.record("image", "create", id, { ...labels, name: id });
  if (reference !== undefined) deps.journal.record("image", "tag", id, { ...labels, name: reference });
}

interface CommitOptions {
  readonly given: DockerConfig;
  /** Dockerfile instructions. */
  readonly changes: readonly string[];
  readonly reference: string | undefined;
  readonly author: string;
  readonly comment: string;
}

async function whilePaused<T>(deps: Deps, container: Container, pause: boolean, run: () => Promise<T>): Promise<T> {
  if (!pause || container.state.status !== "running") return run();
  await deps.engine.pause(container.id);
  try {
    return await run();
  } finally {
    await deps.engine.unpause(container.id);
  }
}

async function commit(
  deps: Deps,
  container: Container,
  { given, changes, reference, author, comment }: CommitOptions,
): Promise<string> {
  const base = container.config.imageId === undefined ? undefined : deps.images.find(container.config.imageId);
  const created = new Date(deps.clock.now()).toISOString();
  const { Config } = originOf(container);
  const runConfig = applyChanges(runConfigOf(mergeImageConfig(given, runConfigOf(Config as DockerConfig))), changes);
  const document: ImageConfig = {
    created,
    ...(author !== "" && { author }),
    architecture: base?.config.architecture ?? deps.host.goArch,
    os: "linux",
    config: runConfig,
    rootfs: { type: "layers", diff_ids: base?.config.rootfs.diff_ids ?? [] },
    history: [
      ...historyOf(base),
      {
        created,
        ...(author !== "" && { author }),
        created_by: container.config.args.join(" "),
        ...(comment !== "" && { comment }),
      },
    ],
    ...(comment !== "" && { comment }),
  };
  return deps.images.commitLayer(deps.images.exportLayer(container.id), document, base?.id, reference);
}

function historyOf(base: Image | undefined): NonNullable<ImageConfig["history"]> {
  return base?.config.history ?? [];
}

/** What of a container's Config belongs to an image. */
const IMAGE_FIELDS = [
  "User",
  "ExposedPorts",
  "Env",
  "Entrypoint",
  "Cmd",
  "Volumes",
  "WorkingDir",
  "Labels",
  "StopSignal",
  "StopTimeout",
  "Shell",
  "OnBuild",
  "Healthcheck",
] as const satisfies readonly (keyof DockerConfig & keyof RunConfig)[];

function runConfigOf(document: DockerConfig): RunConfig {
  const given = IMAGE_FIELDS.map((field) => [field, document[field]] as const);
  return Object.fromEntries(
    given.filter(([, value]) => value !== undefined && value !== null && !isEmpty(value)),
  ) as RunConfig;
}

function isEmpty(value: unknown): boolean {
  if (value === "") return true;
  return typeof value === "object" && value !== null && Object.keys(value).length === 0;
}
