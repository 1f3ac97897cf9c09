import type { Flags } from "./options.ts";

/** Descriptors from 3 on that go to the container's process: `--preserve-fds`, and those of socket activation (sd_listen_fds(3)). */
export function preservedDescriptors(flags: Flags): { preserve: number; environment: readonly string[] } {
  const listen = Number(process.env["LISTEN_FDS"] ?? 0);
  const listening = Number.isInteger(listen) && listen > 0 ? listen : 0;
  return {
    preserve: (flags.number("preserve-fds") ?? 0) + listening,
    environment: listening > 0 ? [`LISTEN_FDS=${listening}`, "LISTEN_PID=1"] : [],
  };
}
