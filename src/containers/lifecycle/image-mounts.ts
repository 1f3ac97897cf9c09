import { mkdirSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { GantryError } from "#base/errors.ts";
import { MS_BIND, MS_RDONLY, mount, unmount } from "#linux/mounts.ts";
import type { ContainerConfig } from "../engine.ts";
import type { EngineContext } from "./context.ts";
import type { Entry } from "./entry.ts";

/*
 * Images mounted into a container (`--mount type=image`): each has a layer of its own over the image, which is mounted on the host
 * read-only while the container runs, and bound from there.
 */

type ImageMount = Extract<ContainerConfig["mounts"][number], { kind: "image" }>;

/** The layer's name in the image store. */
export const imageLayer = (containerId: string, index: number): string => `${containerId}-image-${index}`;

/** Where it is mounted. */
export const imageMountPath = (places: EngineContext["places"], containerId: string, index: number): string =>
  join(places.container(containerId), `image-${index}`);

/** Image mounts of a configuration, with their place among its mounts. */
export function imageMountsOf({ mounts }: ContainerConfig): { mount: ImageMount; index: number }[] {
  return mounts.flatMap((each, index) => (each.kind === "image" ? [{ mount: each, index }] : []));
}

export function mountImages({ places, images }: Pick<EngineContext, "places" | "images">, { id, record }: Entry): void {
  for (const { mount: wanted, index } of imageMountsOf(record.config)) {
    const root = images.snapshot(imageLayer(id, index))?.mount;
    if (!root) throw new GantryError("internal", `container ${id}: the layer of image ${wanted.image} is gone`, { id });
    const target = imageMountPath(places, id, index);
    mkdirSync(target, { recursive: true, mode: 0o700 });
    unmount(target);
    if (root.kind === "bind") {
      mount(root.source, target, { type: "", flags: MS_BIND, data: "" });
      continue;
    }
    const { lower, upper, work, options = [] } = root;
    const data = [`lowerdir=${lower.join(":")}`, `upperdir=${upper}`, `workdir=${work}`, ...options].join(",");
    mount("overlay", target, { type: "overlay", flags: MS_RDONLY, data });
  }
}

/** Harmless when none is mounted. */
export function unmountImages({ places }: Pick<EngineContext, "places">, { id, record }: Entry): void {
  for (const { index } of imageMountsOf(record.config)) {
    const target = imageMountPath(places, id, index);
    unmount(target);
    try {
      rmdirSync(target);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
  }
}
