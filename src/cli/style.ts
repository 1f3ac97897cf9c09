/** Colour only on a terminal that wants it (https://no-color.org). */
export interface Style {
  bold(text: string): string;
  dim(text: string): string;
  green(text: string): string;
  red(text: string): string;
}

export function styleFor(stream: NodeJS.WriteStream): Style {
  const colour = stream.isTTY && !process.env["NO_COLOR"];
  const paint = (code: number) => (text: string) => (colour ? `\u001b[${code}m${text}\u001b[0m` : text);
  return { bold: paint(1), dim: paint(2), green: paint(32), red: paint(31) };
}

/** `1536` as `1.5 kB`-like text in the units people read: MiB with one digit. */
export function mebibytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}
