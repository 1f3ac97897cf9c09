import { readFileSync } from "node:fs";

/** Gantry's own version, from package.json beside the sources and beside the bundle. */
export function gantryVersion(): string {
  for (const path of ["../../package.json", "../package.json"]) {
    try {
      const found = JSON.parse(readFileSync(new URL(path, import.meta.url), "utf8")) as {
        name: string;
        version: string;
      };
      if (found.name === "gantry") return found.version;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
  }
  return "unknown";
}
