import type { Container } from "#containers/engine.ts";
import type { ImageStore } from "#images/image-store.ts";
import { originOf } from "./documents.ts";
import { mountDocument, shownMounts } from "./mount-document.ts";
import { networksDocument, portSummaries, type FindNetwork } from "./network-settings.ts";
import { statusText } from "./state-document.ts";

/** One row of GET /containers/json. */
export function summaryDocument(
  container: Container,
  context: {
    images: ImageStore;
    findNetwork: FindNetwork;
    nowMs: number;
    sizes: { rw: number; rootFs: number } | undefined;
  },
): object {
  const { config } = container;
  const { HostConfig } = originOf(container);
  return {
    Id: container.id,
    Names: [`/${container.name}`],
    Image: imageName(container, context.images),
    ImageID: config.imageId ?? "",
    Command: commandText(config.args),
    Created: Math.floor(container.createdAt / 1000),
    Ports: portSummaries(container),
    ...(context.sizes && { SizeRw: context.sizes.rw, SizeRootFs: context.sizes.rootFs }),
    Labels: config.labels,
    State: container.state.status,
    Status: statusText(container, context.nowMs),
    HostConfig: { NetworkMode: HostConfig["NetworkMode"] },
    NetworkSettings: { Networks: networksDocument(container, context.findNetwork) },
    Mounts: shownMounts(container).map(mountDocument),
  };
}

/** The name as the user wrote it while it still means that image, else the id. */
function imageName(container: Container, images: ImageStore): string {
  const { image, imageId } = container.config;
  if (imageId === undefined || images.find(image)?.id === imageId) return image;
  return imageId;
}

/** The command line, arguments with a space in quotes (moby daemon/list.go). */
function commandText(args: readonly string[]): string {
  const [path = "", ...rest] = args;
  return [path, ...rest.map((arg) => (arg.includes(" ") ? `'${arg}'` : arg))].join(" ");
}
