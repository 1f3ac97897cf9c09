import type { ProgressMessage, Report } from "../image-store.ts";

const UNITS = ["B", "kB", "MB", "GB", "TB", "PB"];

/** Bytes as go-units' HumanSize writes them: powers of 1000, four digits. */
export function humanSize(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < UNITS.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${Number(value.toPrecision(4))}${UNITS[unit]}`;
}

/** The bar that older clients show as it is (moby pkg/jsonmessage, JSONProgress.String at a wide terminal). */
export function progressBar(current: number, total: number): string {
  if (current <= 0 && total <= 0) return "";
  if (total <= 0) return humanSize(current).padStart(8);
  const percentage = Math.min(50, Math.trunc(Math.trunc((current / total) * 100) / 2));
  const bar = `[${"=".repeat(percentage)}>${" ".repeat(50 - percentage)}] `;
  const numbers =
    current > total ? humanSize(current).padStart(8) : `${humanSize(current).padStart(8)}/${humanSize(total)}`;
  return bar + numbers;
}

/** A line about how far one layer has come. */
export function progressLine(id: string, status: string, current: number, total: number): ProgressMessage {
  const progressDetail = { ...(current > 0 ? { current } : {}), ...(total > 0 ? { total } : {}) };
  return { status, progressDetail, progress: progressBar(current, total), id };
}

/** A line of a layer without numbers. */
export function statusLine(id: string, status: string): ProgressMessage {
  return { status, progressDetail: {}, id };
}

/** Least time between two lines about the same thing: a terminal shows no more (moby: 100 ms). */
const INTERVAL_MS = 100;

/** Reports the progress of one layer, not too often; `done` always. */
export function layerProgress(
  report: Report | undefined,
  line: { readonly id: string; readonly status: string; readonly total: number },
  now: () => number,
): { at(bytes: number): void; done(): void } {
  let last = 0;
  const send = (bytes: number): void => report?.(progressLine(line.id, line.status, bytes, line.total));
  return {
    at(bytes) {
      if (now() - last < INTERVAL_MS) return;
      last = now();
      send(bytes);
    },
    done: () => send(line.total),
  };
}
