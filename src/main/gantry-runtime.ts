// The gantry-runtime command: an OCI runtime for podman, dockerd and containerd.
import { systemClock } from "#base/clock.ts";
import { ociRuntime } from "#containers/oci-runtime.ts";
import { gantryVersion } from "./version.ts";

process.exit(
  await ociRuntime(process.argv.slice(2), {
    self: [process.execPath, ...process.execArgv, process.argv[1] ?? ""],
    version: gantryVersion(),
    clock: systemClock,
  }),
);
