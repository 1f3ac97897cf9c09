import type { Container } from "#containers/engine.ts";
import { hostConfigOf } from "./documents.ts";
import { mountDocument, shownMounts } from "./mount-document.ts";
import { networksDocument, portSummaries, type FindNetwork } from "./network-settings.ts";
import { statusText } from "./state-document.ts";

/** One row of GET /containers/json. */
export function summaryDocument(
  container: Container,
  context: {
    /** The id of the image that a reference means now. */
    imageId: (reference: string) => string | undefined;
    findNetwork: FindNetwork;
    nowMs: number;
    sizes: { rw: number; rootFs: number } | undefined;
  },
): object {
  const { config } = container;
  return {
    Id: container.id,
    Names: [`/${container.name}`],
    Image: imageName(container, context.imageId),
    ImageID: config.imageId ?? "",
    Command: commandText(config.args),
    Created: Math.floor(container.createdAt / 1000),
    Ports: portSummaries(container),
    ...(context.sizes && { SizeRw: context.sizes.rw, SizeRootFs: context.sizes.rootFs }),
    Labels: config.labels,
    State: container.state.status,
    Status: statusText(container, context.nowMs),
    HostConfig: { NetworkMode: hostConfigOf(container)["NetworkMode"] },
    NetworkSettings: { Networks: networksDocument(container, context.findNetwork) },
    Mounts: shownMounts(container).map(mountDocument),
  };
}

/** The name as the user wrote it while it still means that image, else the id. */
function imageName(container: Container, currentId: (reference: string) => string | undefined): string {
  const { image, imageId } = container.config;
  if (imageId === undefined || currentId(image) === imageId) return image;
  return imageId;
}

/** The command line, arguments with a space in quotes (moby daemon/list.go). */
function commandText(args: readonly string[]): string {
  const [path = "", ...rest] = args;
  return [path, ...rest.map((arg) => (arg.includes(" ") ? `'${arg}'` : arg))].join(" ");
}

/** Asks once for each of the names that many containers share: the result is good for one answer. */
export function remembering<T>(find: (reference: string) => T): (reference: string) => T {
  const known = new Map<string, T>();
  return (reference) => {
    if (!known.has(reference)) known.set(reference, find(reference));
    return known.get(reference) as T;
  };
}
