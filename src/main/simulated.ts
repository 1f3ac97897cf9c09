import { systemClock } from "#base/clock.ts";
import { errorText, isGantryError } from "#base/errors.ts";
import type { Logger } from "#base/logger.ts";
import { RESOURCES } from "#formats/kube-resources.ts";
import { startSimulatedNodes, type SimulatedNodes } from "#kube-control/simulated-nodes.ts";
import type { ControlPlane } from "./control-plane.ts";

/** On every simulated node, so that pods can be kept off them or sent to them. */
const LABEL = "gantry.dev/simulated";

/** `simulated-1` and so on, of earlier starts, too: those that are not wanted any more leave the cluster. */
export async function startSimulated(
  { client, informers }: ControlPlane,
  count: number,
  logger: Logger,
): Promise<SimulatedNodes | undefined> {
  const names = Array.from({ length: count }, (_, index) => `simulated-${index + 1}`);
  const removed = removeOthers(client, new Set(names));
  if (count === 0) {
    // Nobody has to wait for what is only tidied up.
    removed.catch((error: unknown) => logger.warn({ error: errorText(error) }, "simulated nodes not removed"));
    return undefined;
  }
  await removed;
  const nodes = names.map((name) => ({ name, labels: { [LABEL]: "true" } }));
  const simulated = startSimulatedNodes({ client, informers, clock: systemClock, logger, nodes });
  await simulated.started;
  return simulated;
}

async function removeOthers(client: ControlPlane["client"], wanted: ReadonlySet<string>): Promise<void> {
  const { items } = await client.list(RESOURCES.nodes, { labelSelector: `${LABEL}=true` });
  for (const { metadata } of items) {
    const { name = "" } = metadata;
    if (wanted.has(name)) continue;
    await client.delete(RESOURCES.nodes, undefined, name).catch((error: unknown) => {
      if (!isGantryError(error, "not-found")) throw error;
    });
  }
}
