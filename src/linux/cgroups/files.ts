import { closeSync, constants, openSync, readFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { GantryError } from "#base/errors.ts";

/** Writes one value to a cgroup's file in one write. Throws `invalid` naming the file and the value when the kernel refuses. */
export function writeCgroupFile(directory: string, file: string, value: string | number | bigint): void {
  writeCgroupValues(directory, file, [value]);
}

/** Writes several values one after the other, each in a write of its own: a list of rules. */
export function writeCgroupValues(
  directory: string,
  file: string,
  values: readonly (string | number | bigint)[],
): void {
  const path = join(directory, file);
  let value: string | number | bigint = "";
  try {
    const fd = openSync(path, constants.O_WRONLY | constants.O_TRUNC);
    try {
      for (value of values) writeSync(fd, String(value));
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") {
      throw new GantryError("unsupported", `the kernel has no ${file} (writing ${value} to ${path})`, {
        file,
        value: String(value),
      });
    }
    throw new GantryError(
      "invalid",
      `failed to write ${value} to ${path}: ${code}`,
      { file, value: String(value), errno: code },
      error,
    );
  }
}

/** The text of a cgroup's file; undefined when this kernel, or this cgroup, has none. */
export function readCgroupFile(directory: string, file: string): string | undefined {
  try {
    return readFileSync(join(directory, file), "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // EOPNOTSUPP, ENODEV: the file is there, what it tells is not (a controller that is off, a cgroup being removed).
    if (code === "ENOENT" || code === "EOPNOTSUPP" || code === "ENODEV") return undefined;
    throw error;
  }
}

/** A file with one number; "max" is Infinity; 0 when there is none. */
export function readNumber(directory: string, file: string): number {
  const text = readCgroupFile(directory, file)?.trim();
  if (text === undefined || text === "") return 0;
  return text === "max" ? Number.POSITIVE_INFINITY : Number(text);
}

/** A file of "key value" lines. */
export function readKeyed(directory: string, file: string): Readonly<Record<string, number>> {
  const values: Record<string, number> = Object.create(null) as Record<string, number>;
  for (const line of readCgroupFile(directory, file)?.split("\n") ?? []) {
    const [key, value] = line.split(" ");
    if (key && value !== undefined) values[key] = Number(value);
  }
  return values;
}
