import { existsSync } from "node:fs";
import { join } from "node:path";
import { GantryError } from "#base/errors.ts";
import { openCgroup, type Cgroup } from "#linux/cgroups.ts";

/** Stands for the version 2 tree among controllers. */
const UNIFIED = "";

/**
 * Where a further process goes: `path` below the container's cgroup on every hierarchy, or `controller[,controller]:path` for those alone, the
 * others staying with the container's (runc, exec --cgroup). Throws `invalid` for a controller that is not there, one named twice, a path
 * that leads out, and a cgroup that does not exist.
 */
export function execCgroup(cgroup: Cgroup, wanted: readonly string[]): Cgroup {
  if (wanted.length === 0) return cgroup;
  const [everywhere = ""] = wanted;
  if (wanted.length === 1 && !everywhere.includes(":")) return there(openCgroup(below(cgroup, everywhere)));
  const places = new Map<string, string>();
  for (const each of wanted) {
    const [controllers = "", path] = each.split(":", 2);
    if (path === undefined) throw invalid(`${each}: a path for every controller must be the only one`);
    for (const controller of controllers.split(",")) {
      const index = hierarchyOf(cgroup, controller);
      if (places.has(index)) throw invalid(`${each}: the hierarchy of ${controller} is named twice`);
      places.set(index, below(cgroup, path));
    }
  }
  const { layout } = cgroup;
  const files = [
    ...layout.hierarchies.map(({ mountpoint, controllers }) =>
      join(mountpoint, places.get(controllers.join()) ?? cgroup.path, "cgroup.procs"),
    ),
    ...(layout.unified ? [join(layout.unified.mountpoint, places.get(UNIFIED) ?? cgroup.path, "cgroup.procs")] : []),
  ];
  return there({ ...cgroup, procsFiles: files });
}

function hierarchyOf({ layout }: Cgroup, controller: string): string {
  if (controller === UNIFIED && layout.unified) return UNIFIED;
  const found = layout.hierarchies.find(({ controllers }) => controllers.includes(controller));
  if (!found) throw invalid(`unknown controller ${controller}`);
  return found.controllers.join();
}

function below({ path: own }: Cgroup, path: string): string {
  const place = join(own, path);
  if (place !== own && !place.startsWith(`${own}/`)) throw invalid(`${path} is not below the container's`);
  return place;
}

function there(cgroup: Cgroup): Cgroup {
  const missing = cgroup.procsFiles.find((file) => !existsSync(file));
  if (missing !== undefined) throw invalid(`${missing} does not exist`);
  return cgroup;
}

const invalid = (reason: string): GantryError => new GantryError("invalid", `--cgroup ${reason}`, { flag: "cgroup" });
