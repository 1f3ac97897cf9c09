import { isGantryError } from "#base/errors.ts";

/** Lines shown before and after those that an error is about (BuildKit solver/errdefs, Source.Print). */
const AROUND = 2;

/**
 * The lines of a Dockerfile that an error is about, as BuildKit shows them:
 *
 *     Dockerfile:2
 *     --------------------
 *        1 |     FROM busybox
 *        2 | >>> RUN false
 *     --------------------
 */
export function sourceExcerpt(name: string, text: string, [start, end]: readonly [number, number]): string {
  const lines = text.split(/\r?\n/);
  // What follows the last new line is no line.
  if (lines.at(-1) === "") lines.pop();
  const [from, to] = [Math.max(1, start - AROUND), Math.min(lines.length, end + AROUND)];
  const shown = lines.slice(from - 1, to).map((line, index) => {
    const number = from + index;
    const mark = number >= start && number <= end ? ">>>" : "   ";
    return ` ${String(number).padStart(3)} | ${mark} ${line}`;
  });
  return [`${name}:${start}`, "-".repeat(20), ...shown, "-".repeat(20)].join("\n");
}

/** The lines that an error of a build is about; undefined when it is about none. */
export function errorLines(error: unknown): readonly [number, number] | undefined {
  if (!isGantryError(error)) return undefined;
  const { lines, line } = error.details;
  if (Array.isArray(lines) && typeof lines[0] === "number" && typeof lines[1] === "number") return [lines[0], lines[1]];
  return typeof line === "number" && line > 0 ? [line, line] : undefined;
}
