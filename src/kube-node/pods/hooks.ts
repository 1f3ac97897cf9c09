import type { Container, LifecycleHandler } from "#formats/kube-types.generated.ts";
import type { NodeDeps } from "../ports.ts";
import { runProbe, type ProbeResult } from "../probes/run-probe.ts";
import { execCapture } from "../streams/exec-capture.ts";

/** Runs a postStart or preStop hook once, for at most `timeoutMs`. */
export async function runHook(
  handler: LifecycleHandler,
  container: Container,
  containerId: string,
  podIp: string,
  deps: NodeDeps,
  timeoutMs: number,
): Promise<ProbeResult> {
  const sleepSeconds = handler.sleep?.seconds;
  if (sleepSeconds !== undefined) {
    await new Promise<void>((resolve) => deps.clock.after(Math.min(sleepSeconds * 1000, timeoutMs), resolve));
    return { ok: true };
  }
  return runProbe(
    handler,
    {
      container,
      podIp,
      exec: (command, limitMs) => execCapture(deps.engine, containerId, command, limitMs),
      connect: deps.host.connect,
    },
    timeoutMs,
  );
}
