import { pino } from "pino";
import type { Logger } from "#base/logger.ts";

/** JSON lines on standard error (with `up -d`: the log file). Written synchronously, so that a crash loses nothing. */
export function createLogger(level: string): Logger {
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    pino.destination({ fd: 2, sync: true }),
  );
}
