import type { Container } from "#containers/engine.ts";
import type { LinuxContainerUser } from "#formats/kube-types.generated.ts";
import type { HostPort } from "../ports.ts";

/** Who the first processes of a pod's containers run as: read once for each run. */
export interface ContainerUsers {
  of(container: Container): LinuxContainerUser | undefined;
}

/** Holds one entry for each run that is there; more than a pod can have at once are forgotten. */
const MOST_RUNS = 100;

export function containerUsers(host: Pick<HostPort, "userOf">): ContainerUsers {
  const known = new Map<string, LinuxContainerUser>();
  return {
    of({ id, state }) {
      const before = known.get(id);
      if (before || (state.status !== "running" && state.status !== "paused")) return before;
      const user = host.userOf(state.pid);
      if (!user) return undefined;
      if (known.size >= MOST_RUNS) known.clear();
      known.set(id, user);
      return user;
    },
  };
}
