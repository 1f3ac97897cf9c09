import type { LaunchHost } from "../launch.ts";

/** What the parts of the planner need of LaunchHost. */
export type PlanHost = Pick<LaunchHost, "cgroup" | "subpaths">;
