import type { Container, Pod } from "#formats/kube-types.generated.ts";
import type { NodeDeps } from "../ports.ts";
import { startProbes, type ContainerProbes, type ProbeKind } from "../probes/prober.ts";
import { execCapture } from "../streams/exec-capture.ts";
import { containerEvent } from "./container-event.ts";
import { isRunning, type ObservedPod } from "./observed.ts";

/** The probes of all containers of a pod, started and ended with them. */
export interface ProbeSet {
  /** Starts the probes of containers that run and have none, ends those of containers that are gone. */
  follow(observed: ObservedPod): void;
  ready(containerId: string): boolean;
  started(containerId: string): boolean;
  condemned(containerId: string): "startup" | "liveness" | undefined;
  stop(): void;
}

const WORDS: Readonly<Record<ProbeKind, string>> = { startup: "Startup", liveness: "Liveness", readiness: "Readiness" };

export function probeSet(
  deps: NodeDeps,
  options: { pod: () => Pod; podIp: () => string; onChange: () => void },
): ProbeSet {
  const running = new Map<string, ContainerProbes>();
  const begin = (container: Container, id: string): ContainerProbes =>
    startProbes(container, {
      clock: deps.clock,
      random: deps.random,
      target: {
        container,
        podIp: options.podIp(),
        exec: (command, timeoutMs) => execCapture(deps.engine, id, command, timeoutMs),
        connect: deps.host.connect,
      },
      onChange: options.onChange,
      onFailure: (kind, message) =>
        containerEvent(
          deps,
          options.pod(),
          container,
          "Warning",
          "Unhealthy",
          `${WORDS[kind]} probe failed: ${message}`,
        ),
      known: knownState(options.pod(), id),
    });
  return {
    follow(observed) {
      const { spec } = options.pod();
      const alive = new Set<string>();
      for (const container of [...(spec?.containers ?? []), ...(spec?.initContainers ?? [])]) {
        const found = observed.current.get(container.name);
        if (!found || !isRunning(found)) continue;
        alive.add(found.id);
        if (!running.has(found.id)) running.set(found.id, begin(container, found.id));
      }
      for (const [id, probes] of running) {
        if (alive.has(id)) continue;
        probes.stop();
        running.delete(id);
      }
    },
    ready: (id) => running.get(id)?.ready ?? false,
    started: (id) => running.get(id)?.started ?? false,
    condemned: (id) => running.get(id)?.condemned,
    stop() {
      for (const probes of running.values()) probes.stop();
      running.clear();
    },
  };
}

/** What the API knows of this very run: a kubelet that comes back does not make a ready container unready. */
function knownState(pod: Pod, id: string): { ready: boolean; started: boolean } | undefined {
  const statuses = [...(pod.status?.containerStatuses ?? []), ...(pod.status?.initContainerStatuses ?? [])];
  const known = statuses.find(({ containerID }) => containerID === `gantry://${id}`);
  return known ? { ready: known.ready, started: known.started === true } : undefined;
}
