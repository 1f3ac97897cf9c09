import type { Deps } from "../deps.ts";
import type { Handler } from "../http/call.ts";
import { json } from "../http/reply.ts";
import { API_VERSION, ENGINE_VERSION, MIN_API_VERSION } from "../http/versions.ts";

/** GET /version. */
export function versionHandler(deps: Deps): Handler {
  return async ({ response }) => json(response, 200, versionDocument(deps));
}

function versionDocument({ host, version }: Deps): object {
  const shared = { KernelVersion: host.kernelVersion, Os: "linux", Arch: host.goArch };
  const runtime = process.version.slice(1);
  return {
    Platform: { Name: `Gantry ${version}` },
    Components: [
      {
        Name: "Engine",
        Version: ENGINE_VERSION,
        Details: {
          ApiVersion: API_VERSION,
          MinAPIVersion: MIN_API_VERSION,
          Arch: host.goArch,
          BuildTime: "",
          Experimental: "false",
          GitCommit: `gantry-${version}`,
          GoVersion: `node ${runtime}`,
          KernelVersion: host.kernelVersion,
          Os: "linux",
        },
      },
      { Name: "gantry", Version: version, Details: { GitCommit: "" } },
    ],
    Version: ENGINE_VERSION,
    ApiVersion: API_VERSION,
    MinAPIVersion: MIN_API_VERSION,
    GitCommit: `gantry-${version}`,
    GoVersion: `node ${runtime}`,
    BuildTime: "",
    ...shared,
  };
}
