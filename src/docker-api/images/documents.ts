import { formatTime, ZERO_TIME } from "#formats/docker-time.ts";
import type { HistoryEntry, Image } from "#images/image-store.ts";

/** A row of GET /images/json. -1: not counted. */
export function imageSummary(image: Image, containers: number, sharedSize = -1): object {
  return {
    Id: image.id,
    ParentId: image.parent ?? "",
    RepoTags: image.tags,
    RepoDigests: image.digests,
    Created: Math.floor(image.createdAt / 1000),
    Size: image.size,
    SharedSize: sharedSize,
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
    Parent: image.parent ?? "",
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

/** GET /images/{name}/history, newest first. */
export function historyDocument(entries: readonly HistoryEntry[]): object[] {
  return entries.map(({ id, created, createdBy, tags, size, comment }) => ({
    Id: id,
    Created: created,
    CreatedBy: createdBy,
    Tags: tags ?? null,
    Size: size,
    Comment: comment,
  }));
}
