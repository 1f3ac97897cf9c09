import type { ImageHistory } from "#formats/image-config.ts";
import { formatTime, ZERO_TIME } from "#formats/docker-time.ts";
import type { Image } from "#images/image-store.ts";

/** A row of GET /images/json. -1: not counted. */
export function imageSummary(image: Image, containers: number): object {
  return {
    Id: image.id,
    ParentId: "",
    RepoTags: image.tags,
    RepoDigests: image.digests,
    Created: Math.floor(image.createdAt / 1000),
    Size: image.size,
    SharedSize: -1,
    Labels: image.config.config?.Labels ?? null,
    Containers: containers,
  };
}

/** GET /images/{name}/json. */
export function imageDocument(image: Image, driver: string): object {
  const { config } = image;
  return {
    Id: image.id,
    RepoTags: image.tags,
    RepoDigests: image.digests,
    Parent: "",
    Comment: config.comment ?? config.history?.at(-1)?.comment ?? "",
    Created: config.created ?? ZERO_TIME,
    DockerVersion: config.docker_version ?? "",
    Author: config.author ?? "",
    Config: config.config ?? {},
    Architecture: config.architecture,
    ...(config.variant !== undefined && { Variant: config.variant }),
    Os: config.os,
    ...(config["os.version"] !== undefined && { OsVersion: config["os.version"] }),
    Size: image.size,
    GraphDriver: { Data: null, Name: driver },
    RootFS: { Type: "layers", Layers: config.rootfs.diff_ids },
    Metadata: { LastTagTime: image.lastTaggedAt > 0 ? formatTime(image.lastTaggedAt) : ZERO_TIME },
  };
}

/** GET /images/{name}/history, newest first. Only the newest step has the image's id and tags. */
export function historyDocument(image: Image): object[] {
  const steps = image.config.history ?? [];
  let layer = 0;
  const rows = steps.map((step) => historyRow(step, step.empty_layer ? 0 : (image.layers[layer++]?.size ?? 0)));
  return rows
    .toReversed()
    .map((row, index) => ({
      ...row,
      ...(index === 0
        ? { Id: image.id, Tags: image.tags.length > 0 ? image.tags : null }
        : { Id: "<missing>", Tags: null }),
    }));
}

function historyRow(step: ImageHistory, size: number): object {
  return {
    Created: step.created === undefined ? 0 : Math.floor(Date.parse(step.created) / 1000),
    CreatedBy: step.created_by ?? "",
    Size: size,
    Comment: step.comment ?? "",
  };
}
