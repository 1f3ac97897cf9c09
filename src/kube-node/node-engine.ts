import type { Container, Engine, EngineEvent } from "#containers/engine.ts";
import { LABEL } from "./pods/labels.ts";

/**
 * Several nodes of one machine share its engine; each sees its own containers only, by a label. Those without it are the machine's own
 * node's (`node` undefined).
 */
export function nodeEngine(engine: Engine, node: string | undefined): Engine {
  const isOwn = (labels: Readonly<Record<string, string>>): boolean => labels[LABEL.node] === node;
  return {
    ...engine,
    create: (config) =>
      engine.create(node === undefined ? config : { ...config, labels: { ...config.labels, [LABEL.node]: node } }),
    list: () => engine.list().filter(({ config }) => isOwn(config.labels)),
    events: (listener) => engine.events((event) => void (concerns(event, isOwn) && listener(event))),
  };
}

/** Networks, volumes and images are everybody's. */
function concerns(
  { type, attributes }: EngineEvent,
  isOwn: (labels: Readonly<Record<string, string>>) => boolean,
): boolean {
  return type !== "container" || isOwn(attributes);
}

/** The containers of one node among all of an engine's. */
export function containersOfNode(engine: Pick<Engine, "list">, node: string): Container[] {
  return engine.list().filter(({ config }) => config.labels[LABEL.node] === node);
}
